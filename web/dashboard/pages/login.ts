/** Where somebody shows a token. The token itself is never on a page. */
import { html } from "../../html.ts";
import { frame, type Visitor } from "./frame.ts";

export const loginPage = (visitor: Visitor, trouble: string, next: string): string =>
  frame(
    { title: "Log in", path: "/farm/login", visitor },
    html`<h1>Log in</h1>
<p class="lead">This page of the farm is for those who have a token: <code>piw token create NAME</code> makes one, with <code>--right control</code> for one that may give orders.</p>
${trouble === "" ? undefined : html`<p class="notice" role="alert">${trouble}</p>`}
<form class="login" method="post" action="/farm/login"><input type="hidden" name="next" value="${next}"><label for="token">Token</label> <input id="token" name="token" type="password" autocomplete="current-password" required maxlength="200" spellcheck="false"> <button type="submit">Log in</button></form>`,
  );
