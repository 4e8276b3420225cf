/**
 * The site's stylesheet. A string, not a file beside the code: the compiler copies none, and the
 * Scribe writes it among the pages. System fonts, no images; dark where the reader's system is.
 */
export const stylesheet = `:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #22252a; --soft: #626873; --line: #e0dcd2;
  --link: #2456a6; --accent: #a4521b; --good: #1c6b3a; --bad: #b02a30; --busy: #7d5a06;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181c; --card: #1f2228; --ink: #e6e4de; --soft: #9aa1ad; --line: #343942;
    --link: #8fb8f5; --accent: #e59a5f; --good: #74cf96; --bad: #f28b8f; --busy: #dfb75a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
a { color: var(--link); text-underline-offset: .15em; }
.wide { max-width: 68rem; margin: 0 auto; padding-inline: 1.25rem; }
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .25rem .75rem; }
.top { background: var(--card); border-top: 4px solid var(--accent); border-bottom: 1px solid var(--line); }
.top .wide { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1.75rem; padding-block: .8rem; }
.brand { font-weight: 700; font-size: 1.15rem; color: var(--ink); text-decoration: none; }
nav a { margin-right: 1rem; text-decoration: none; }
nav a:hover, .brand:hover { text-decoration: underline; }
main { padding-top: 1.5rem; padding-bottom: 2rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .75rem; }
.lead { font-size: 1.1rem; color: var(--soft); margin: .5rem 0 1rem; overflow-wrap: anywhere; }
.quiet { color: var(--soft); font-size: .9rem; }
.notice { border-left: 4px solid var(--busy); background: var(--card); padding: .6rem 1rem; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .92em; }
.command { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; margin: .5rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 0; }
.numbers div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem 1rem; }
.numbers dt { color: var(--soft); font-size: .88rem; }
.numbers dd { margin: 0; font-size: 1.55rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; padding: .45rem .9rem; border-top: 1px solid var(--line); vertical-align: top; white-space: nowrap; font-variant-numeric: tabular-nums; }
thead th { border-top: 0; color: var(--soft); font-weight: 600; font-size: .85rem; }
tbody th { font-weight: 550; }
.releases tbody th { position: sticky; left: 0; background: var(--card); }
.outcome { white-space: normal; min-width: 16rem; max-width: 30rem; overflow-wrap: anywhere; }
.outcome .quiet { display: block; }
.state { font-weight: 550; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .busy { color: var(--busy); } .calm { color: var(--soft); }
.mark { font-size: .78rem; font-weight: 550; border: 1px solid currentColor; border-radius: 1rem; padding: 0 .5rem; color: var(--soft); margin-left: .35rem; }
.mark.bad { color: var(--bad); }
footer { color: var(--soft); font-size: .9rem; padding-bottom: 2rem; }
@media (max-width: 34rem) {
  body { font-size: 15px; }
  h1 { font-size: 1.6rem; }
  th, td { padding: .4rem .65rem; }
}
`;
