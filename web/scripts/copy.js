/**
 * Gives each command on a page a button that copies it. Without this script the command can be selected as
 * any text; with a clipboard that the browser keeps shut there is no button either.
 */
for (const block of document.querySelectorAll("pre.command")) {
  if (navigator.clipboard === undefined) break;
  const code = block.querySelector("code");
  if (code === null) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy the command");
  const said = document.createElement("span");
  said.className = "unseen";
  said.setAttribute("role", "status");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent.trim());
      button.textContent = "Copied";
      said.textContent = "Copied";
    } catch {
      // A browser may refuse; then it is selected, for the keys that copy.
      getSelection()?.selectAllChildren(code);
      button.textContent = "Selected";
      said.textContent = "Selected: press Ctrl and C";
    }
    setTimeout(() => {
      button.textContent = "Copy";
      said.textContent = "";
    }, 2_000);
  });
  block.append(button, said);
}
