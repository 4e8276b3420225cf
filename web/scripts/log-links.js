/**
 * Has the links to build logs on a page lead to the viewer, `/log.html`. Without this script they lead to the plain
 * text, which is what a copied link of the viewer's "raw log" gives too.
 */
for (const link of document.querySelectorAll('a[href^="/logs/"]')) {
  const path = link.getAttribute("href") ?? "";
  const token = Number(/^\/logs\/(\d+)\/(\d+)\/(\d+)\.txt\.gz$/.exec(path)?.slice(1).join(""));
  if (!Number.isSafeInteger(token) || token <= 0) continue;
  const query = new URLSearchParams({ build: String(token) });
  const holder = link.closest("[data-project]");
  const project = holder instanceof HTMLElement ? holder.dataset["project"] : undefined;
  if (project !== undefined) query.set("project", project);
  link.setAttribute("href", `/log.html?${query}`);
}
