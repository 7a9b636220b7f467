"use strict";
// Everything that comes from data reaches the page as textContent.
(() => {
  const PAGE = 200;
  const $ = (id) => document.getElementById(id);
  const rows = JSON.parse($("data").textContent);
  const facets = { of: (r) => [r.of], error: (r) => [r.error], label: (r) => [r.label], rule: (r) => r.rules };
  for (const row of rows) {
    row.haystack = [row.paper, ...row.context.map((part) => part.map(([text]) => text).join(""))].join("\n").toLowerCase();
  }
  let shown = PAGE;
  let kept = rows;

  function element(tag, text, kind) {
    const node = document.createElement(tag);
    node.textContent = text;
    if (kind) node.className = kind;
    return node;
  }

  function passes(row, except) {
    const text = $("text").value.trim().toLowerCase();
    if (text && !row.haystack.includes(text)) return false;
    return Object.entries(facets).every(([name, values]) => name === except || !$(name).value || values(row).includes($(name).value));
  }

  // Each list counts what choosing its entries would show, given the other filters.
  function fill(name) {
    const counts = new Map();
    let all = 0;
    for (const row of rows) {
      if (!passes(row, name)) continue;
      all += 1;
      for (const value of facets[name](row)) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    const select = $(name);
    const chosen = select.value;
    if (chosen && !counts.has(chosen)) counts.set(chosen, 0);
    const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    select.replaceChildren(
      ...[["", all], ...sorted].map(([value, count]) => {
        const option = element("option", `${value || "all"} (${count})`);
        option.value = value;
        return option;
      }),
    );
    select.value = chosen;
  }

  function draw(row) {
    const line = document.createElement("tr");
    const said = document.createElement("td");
    if (row.rules.length) said.append(element("p", row.rules.join(", ")));
    if (row.confidence !== null) said.append(element("p", `confidence ${row.confidence.toFixed(2)}`, "quiet"));
    const context = document.createElement("td");
    row.context.forEach((parts, i) => {
      const text = element("p", "", row.of === "relation" && i === 0 ? "ends" : "");
      text.dir = "auto";
      text.append(...parts.map(([piece, kind]) => (kind ? element("mark", piece, kind) : document.createTextNode(piece))));
      context.append(text);
    });
    context.append(element("p", row.paper, "quiet"));
    line.append(element("td", row.error), element("td", row.gold ? `${row.label}, gold ${row.gold}` : row.label), context, said);
    return line;
  }

  function render() {
    $("rows").replaceChildren(...kept.slice(0, shown).map(draw));
    $("more").hidden = kept.length <= shown;
    $("counts").textContent = `${kept.length} of ${rows.length} errors${kept.length > shown ? `, the first ${shown} shown` : ""}`;
  }

  function filter() {
    Object.keys(facets).forEach(fill);
    kept = rows.filter((row) => passes(row, ""));
    shown = PAGE;
    render();
  }

  $("filters").addEventListener("input", filter);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("clear").addEventListener("click", () => {
    $("filters").reset();
    filter();
  });
  $("more").addEventListener("click", () => {
    shown += PAGE;
    render();
  });
  filter();
  document.documentElement.dataset.ready = "1";
})();
