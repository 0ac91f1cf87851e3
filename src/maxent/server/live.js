/* Follows a stream of the server: the state as text, the sections as HTML. Figures keep zoom, axis and choices. */
(() => {
  const place = document.getElementById("live"), connection = document.getElementById("connection");
  const state = document.getElementById("state"), { stream } = place.dataset;
  let source = null, last = place.dataset.last;

  const figures = (root) => [...root.querySelectorAll("figure[id]")];
  /* What figures there are, and their lines; ranges may change. */
  const form = (root) => JSON.stringify(figures(root).map((figure) => [figure.id, { ...JSON.parse(figure.dataset.chart ?? "{}"), range: 0 }]));
  const names = (root) => [...root.children].map((one) => one.id).join();

  function swap(old, fresh) {
    if (old.outerHTML === fresh.outerHTML) return;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const opened = [...old.querySelectorAll("details"), ...(old.matches("details") ? [old] : [])].map((one) => one.open);
    [...fresh.querySelectorAll("details"), ...(fresh.matches("details") ? [fresh] : [])].forEach((one, number) => { one.open = opened[number] ?? one.open; });
    old.replaceWith(fresh);
    if (focused?.href) [...fresh.querySelectorAll("a")].find((link) => link.href === focused.href)?.focus();
    else if (focused?.matches("summary")) fresh.querySelector("summary")?.focus();
  }

  function show(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = template.content;
    if (names(fresh) !== names(place) || form(fresh) !== form(place)) {
      place.replaceChildren(fresh);
      maxentPage.rebuild();
      return;
    }
    for (const figure of figures(fresh)) {
      const old = document.getElementById(figure.id), plot = old.querySelector(".plot");
      if (!figure.dataset.chart) { swap(old, figure); continue; }
      for (const part of ["svg.chart", "details", ".note.more"]) swap(old.querySelector(part), figure.querySelector(part));
      plot.setAttribute("aria-label", plot.querySelector("svg.chart").getAttribute("aria-label"));
    }
    [...fresh.children].forEach((section, number) => {
      if (section.id !== "curves") swap(place.children[number], section);
    });
    maxentPage.update();
  }

  function open() {
    source = new EventSource(stream + "?after=" + encodeURIComponent(last));
    source.addEventListener("open", () => { connection.textContent = "live"; });
    source.addEventListener("error", () => { connection.textContent = "connection lost, trying again"; });
    source.addEventListener("state", (event) => { state.textContent = JSON.parse(event.data); });
    source.addEventListener("content", (event) => { last = event.lastEventId; show(JSON.parse(event.data)); });
  }

  /* A browser opens only a few connections to one server: pages that nobody sees give theirs back. */
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source?.close(); source = null; connection.textContent = "paused"; }
    else if (!source) open();
  });
  if (!document.hidden) open();
})();
