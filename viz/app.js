// The page of one view. All text comes from papers and is hostile: it becomes text nodes, never markup.
"use strict";

(async () => {
  const byId = (id) => document.getElementById(id);

  async function read() {
    const packed = Uint8Array.from(atob(byId("data").textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  let view;
  try {
    view = await read();
  } catch (error) {
    byId("counts").textContent = `This page cannot be read (${error.message}). It needs a browser of 2023 or later.`;
    return;
  }

  // ---- Parts of the page ------------------------------------------------------------------------------------------

  const SVG = "http://www.w3.org/2000/svg";
  const OUTLINES = {
    square: "M2 2H14V14H2Z",
    diamond: "M8 .8 15.2 8 8 15.2 .8 8Z",
    triangle: "M8 1.5 15 14H1Z",
    triangleDown: "M8 14.5 1 2H15Z",
    hexagon: "M4.4 1.8H11.6L15.2 8 11.6 14.2H4.4L.8 8Z",
    star: "M8 .8 10 5.8 15.4 6.2 11.3 9.6 12.6 14.9 8 12 3.4 14.9 4.7 9.6 .6 6.2 6 5.8Z",
    box: "M1 4H15V12H1Z",
  };
  const CIRCLE = "M8 1.2A6.8 6.8 0 1 1 8 14.8 6.8 6.8 0 1 1 8 1.2Z";

  function el(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") element.addEventListener("click", value);
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null)); // strings become text nodes
    return element;
  }

  // Names may run from right to left, or carry marks that would turn the text around them.
  const name = (text) => el("bdi", {}, text);

  function icon(type) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("class", "shape");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", OUTLINES[type.shape] || CIRCLE);
    path.setAttribute("fill", type.colour);
    svg.append(path);
    return svg;
  }

  const isWeb = (url) => url !== null && url.startsWith("https://");

  function link(url, text) {
    return isWeb(url)
      ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer", dir: "auto" }, text)
      : name(text);
  }

  const plural = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
  const facts = (...parts) => parts.filter((part) => part !== null && part !== "").join(" · ");

  // ---- What there is ----------------------------------------------------------------------------------------------

  const nodes = new Map(view.nodes.map((node) => [node.id, node]));
  const edges = new Map(view.edges.map((edge) => [edge.id, edge]));
  const types = new Map(view.types.map((type) => [type.name, type]));
  const relations = new Map(view.relations.map((relation) => [relation.name, relation]));
  const edgesOf = new Map(view.nodes.map((node) => [node.id, []]));
  for (const edge of view.edges) {
    edgesOf.get(edge.from).push(edge);
    if (edge.to !== edge.from) edgesOf.get(edge.to).push(edge);
  }
  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const index = view.nodes.map((node) => ({ id: node.id, names: [node.data.name, ...node.data.aliases].map(fold) }));
  const mostSupport = Math.max(1, ...view.edges.map((edge) => edge.data.support || 1));

  // ---- State: what is hidden, what is selected ----------------------------------------------------------------------

  const state = { hiddenTypes: new Set(), hiddenRelations: new Set(), confidence: 0, support: 1, table: false };
  const start = { node: view.entity };
  let trail = [start];
  let shownNodes = new Set();
  let shownEdges = new Set();
  const current = () => trail[trail.length - 1];

  function passes(edge) {
    const { support, confidence } = edge.data;
    const typeShown = (id) => id === view.entity || !state.hiddenTypes.has(nodes.get(id).data.type);
    return !state.hiddenRelations.has(edge.label) && typeShown(edge.from) && typeShown(edge.to)
      && (support === null || support >= state.support) && (confidence === null || confidence >= state.confidence);
  }

  // A node that loses all its relations goes with them, so that a filter leaves no litter. The focus always stays.
  function filter() {
    shownEdges = new Set(view.edges.filter(passes).map((edge) => edge.id));
    shownNodes = new Set(view.nodes.filter((node) => {
      const own = edgesOf.get(node.id);
      return node.id === view.entity || (!state.hiddenTypes.has(node.data.type)
        && (own.length === 0 || own.some((edge) => shownEdges.has(edge.id))));
    }).map((node) => node.id));
  }

  function remember() {
    const hash = new URLSearchParams();
    const { node, edge } = current();
    if (edge) hash.set("edge", edge);
    else if (node !== view.entity) hash.set("sel", node);
    if (state.confidence > 0) hash.set("conf", state.confidence);
    if (state.support > 1) hash.set("sup", state.support);
    for (const type of state.hiddenTypes) hash.append("hide", type);
    for (const relation of state.hiddenRelations) hash.append("off", relation);
    if (state.table) hash.set("view", "table");
    try {
      history.replaceState(null, "", `#${hash}`);
    } catch {
      // A frame without an address of its own (a notebook) keeps no state.
    }
  }

  function recall() {
    const hash = new URLSearchParams(location.hash.slice(1));
    const within = (key, low, high) => Math.min(high, Math.max(low, Number(hash.get(key)) || low));
    state.confidence = within("conf", 0, 1);
    state.support = within("sup", 1, mostSupport);
    state.hiddenTypes = new Set(hash.getAll("hide").filter((type) => types.has(type)));
    state.hiddenRelations = new Set(hash.getAll("off").filter((relation) => relations.has(relation)));
    state.table = hash.get("view") === "table";
    trail = [start];
    if (edges.has(hash.get("edge"))) trail.push({ edge: hash.get("edge") });
    else if (nodes.has(hash.get("sel")) && hash.get("sel") !== view.entity) trail.push({ node: hash.get("sel") });
  }

  // ---- The drawing --------------------------------------------------------------------------------------------------

  let theme;
  function readTheme() {
    const style = getComputedStyle(document.documentElement);
    const colour = (variable) => style.getPropertyValue(`--${variable}`).trim();
    theme = Object.fromEntries(
      ["page", "raised", "ink", "muted", "faint", "outline", "edge", "accent"].map((key) => [key, colour(key)]));
    theme.face = getComputedStyle(document.body).fontFamily;
  }

  // What stays bright: everything while the focus is selected, else the selection and what it touches.
  function bright() {
    const { node, edge } = current();
    if (edge) return new Set([edges.get(edge).from, edges.get(edge).to]);
    if (node === view.entity) return null;
    return new Set([node, ...edgesOf.get(node).flatMap((e) => [e.from, e.to])]);
  }

  function drawnNode(node, near) {
    const card = ["box", "ellipse", "text"].includes(node.shape);
    const faded = near !== null && !near.has(node.id);
    const fill = card ? theme.raised : node.color;
    const border = card ? node.color : theme.outline;
    const picked = { background: fill, border: theme.accent };
    return {
      id: node.id, label: node.label, shape: node.shape, size: node.size, x: node.x, y: node.y,
      hidden: !shownNodes.has(node.id), opacity: faded ? 0.25 : 1,
      margin: 5, shapeProperties: { borderRadius: 4 },
      color: { background: fill, border: faded ? theme.faint : border, highlight: picked, hover: picked },
      font: {
        face: theme.face, size: node.font.size, color: faded ? theme.faint : theme.ink,
        strokeWidth: card ? 0 : 4, strokeColor: theme.page, vadjust: card ? 0 : -2,
      },
    };
  }

  function drawnEdge(edge, near) {
    const { node, edge: picked } = current();
    const own = picked ? picked === edge.id : edge.from === node || edge.to === node;
    const faded = near !== null && !own;
    const strong = own && near !== null;
    const aside = edge.from !== view.entity && edge.to !== view.entity;
    const bend = edge.smooth.bend;
    const labelled = picked ? own : edge.data.labelled && !faded;
    return {
      id: edge.id, from: edge.from, to: edge.to, dashes: edge.dashes && [3, 4], width: edge.width,
      hidden: !shownEdges.has(edge.id), label: labelled ? edge.label : "", selfReference: edge.selfReference,
      smooth: bend === 0 ? { enabled: false }
        : { enabled: true, type: bend > 0 ? "curvedCCW" : "curvedCW", roundness: Math.abs(bend) },
      color: { color: strong ? theme.accent : aside ? theme.faint : theme.edge, highlight: theme.accent, hover: theme.accent, opacity: faded ? 0.2 : 1 },
      font: { face: theme.face, size: 10, color: theme.muted, strokeWidth: 3, strokeColor: theme.page, align: "middle" },
    };
  }

  readTheme();
  recall();
  filter();
  const drawing = { nodes: new vis.DataSet(), edges: new vis.DataSet() };
  const network = new vis.Network(byId("canvas"), drawing, view.options);
  byId("canvas").querySelector("canvas").setAttribute("aria-hidden", "true");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const motion = () => (still.matches ? false : { duration: 300, easingFunction: "easeInOutQuad" });

  function draw() {
    const near = bright();
    drawing.nodes.update(view.nodes.map((node) => drawnNode(node, near)));
    drawing.edges.update(view.edges.map((edge) => drawnEdge(edge, near)));
    const { node, edge } = current();
    network.setSelection({ nodes: node ? [node] : [], edges: edge ? [edge] : [] }, { highlightEdges: false });
  }

  const fit = (animation) => network.fit({ nodes: [...shownNodes], animation });

  function bringIntoView(ids) {
    const box = byId("canvas").getBoundingClientRect();
    const outside = ids.some((id) => {
      const { x, y } = network.canvasToDOM(network.getPosition(id));
      return x < 40 || y < 40 || x > box.width - 40 || y > box.height - 40;
    });
    if (outside) network.moveTo({ position: network.getPosition(ids[0]), animation: motion() });
  }

  // ---- The panel ----------------------------------------------------------------------------------------------------

  function evidenceItem(row) {
    const sentence = (pieces) => el("p", { dir: "auto" },
      ...pieces.map(([text, role]) => (role ? el("mark", { class: role, title: role }, text) : text)));
    const date = row.published && row.published.slice(0, 10);
    return el("li", { class: "evidence" },
      el("blockquote", {}, ...row.sentences.map(sentence)),
      el("p", { class: "source" }, link(row.url, row.title || "Untitled paper"), date ? el("time", {}, ` · ${date}`) : null),
      el("p", { class: "facts" },
        row.polarity ? el("span", { class: `badge ${row.polarity}` }, row.polarity) : null,
        ` ${facts(row.confidence === null ? null : `confidence ${row.confidence.toFixed(2)}`, row.source && `rule ${row.source}`)}`));
  }

  const strength = ({ support, confidence, years }) => facts(
    support === null ? null : plural(support, "paper", "papers"),
    confidence === null ? null : `confidence ${confidence.toFixed(2)}`, years);

  const nodeButton = (id) => el("button", { type: "button", class: "name", onclick: () => go({ node: id }) }, name(nodes.get(id).data.name));

  const typeIcon = (id) => icon(types.get(nodes.get(id).data.type));

  function relationItem(edge, other) {
    const rows = edge.data.evidence;
    const list = el("ul", { hidden: "" });
    const label = plural(rows.length, "sentence", "sentences");
    const button = rows.length === 0 ? null : el("button", {
      type: "button", "aria-expanded": "false", "aria-label": `Evidence, ${label}: ${edge.label} ${nodes.get(other).data.name}`,
      onclick: () => {
        if (!list.hasChildNodes()) list.append(...rows.map(evidenceItem));
        list.hidden = !list.hidden;
        button.setAttribute("aria-expanded", String(!list.hidden));
      },
    }, `Evidence ${rows.length}`);
    return el("li", { class: "relation" },
      el("div", { class: "line" }, el("span", { class: "entity" }, typeIcon(other), nodeButton(other)), button),
      el("p", { class: "facts" }, strength(edge.data)), list);
  }

  const CAUTION = "As reported in the abstract, not verified.";

  function nodePanel(node) {
    const { data } = node;
    const type = types.get(data.type);
    const parts = [
      el("h2", { tabindex: "-1", dir: "auto" }, data.name),
      el("p", { class: "line muted" }, icon(type), facts(data.type, data.papers === null ? null : plural(data.papers, "paper", "papers"), data.years || data.published)),
    ];
    if (data.type === "Result") {
      parts.push(el("p", { class: "line" }, facts(data.kind, data.direction, data.unit)), el("p", { class: "caution" }, CAUTION));
    }
    if (data.aliases.length > 0) {
      parts.push(el("p", { class: "facts" }, "Also written ", ...data.aliases.flatMap((alias, i) => [i ? ", " : "", name(alias)])));
    }
    if (isWeb(data.url)) parts.push(el("p", { class: "facts" }, link(data.url, "Open the paper")));
    if (type.about) parts.push(el("p", { class: "facts" }, type.about));
    if (!shownNodes.has(node.id)) parts.push(el("p", { class: "caution" }, "Hidden from the drawing by the filters."));
    if (data.evidence.length > 0) parts.push(el("h3", {}, "Evidence"), el("ul", {}, ...data.evidence.map(evidenceItem)));

    const groups = new Map();
    for (const edge of edgesOf.get(node.id).filter((e) => shownEdges.has(e.id))) {
      const out = edge.from === node.id;
      const title = out ? `${edge.label} →` : `← ${edge.label}`;
      if (!groups.has(title)) groups.set(title, { about: relations.get(edge.label).about, items: [] });
      groups.get(title).items.push(relationItem(edge, out ? edge.to : edge.from));
    }
    for (const [title, { about, items }] of groups) {
      parts.push(el("h3", { title: about }, `${title} (${items.length})`), el("ul", {}, ...items));
    }
    if (groups.size === 0) parts.push(el("p", { class: "muted line" }, "No relation passes the filters."));
    return parts;
  }

  function edgePanel(edge) {
    const rows = edge.data.evidence;
    const end = (id) => el("p", { class: "line" }, typeIcon(id), nodeButton(id));
    return [
      el("h2", { tabindex: "-1" }, edge.label),
      end(edge.from),
      el("p", { class: "muted" }, `↓ ${relations.get(edge.label).about}`),
      end(edge.to),
      el("p", { class: "facts" }, strength(edge.data)),
      [edge.from, edge.to].some((id) => nodes.get(id).data.type === "Result") ? el("p", { class: "caution" }, CAUTION) : null,
      el("h3", {}, "Evidence"),
      rows.length > 0 ? el("ul", {}, ...rows.map(evidenceItem)) : el("p", { class: "muted line" }, edge.dashes
        ? "This relation follows from the records themselves; no sentence states it." : "Its sentences are not part of this page."),
    ].filter((part) => part !== null);
  }

  function showPanel() {
    const { node, edge } = current();
    const back = trail.length > 1 ? el("p", { class: "back" }, el("button", { type: "button", onclick: goBack }, "← Back")) : null;
    const parts = edge ? edgePanel(edges.get(edge)) : nodePanel(nodes.get(node));
    byId("panel").replaceChildren(...(back ? [back] : []), ...parts);
    byId("panel").scrollTop = 0;
  }

  // ---- The table ----------------------------------------------------------------------------------------------------

  function showTable() {
    const head = (text, number) => el("th", number ? { scope: "col", class: "number" } : { scope: "col" }, text);
    const row = (edge) => {
      const { support, confidence, years, evidence } = edge.data;
      return el("tr", {},
        el("td", {}, nodeButton(edge.from)), el("td", { class: "short" }, edge.label), el("td", {}, nodeButton(edge.to)),
        el("td", { class: "number" }, support === null ? "" : String(support)),
        el("td", { class: "number" }, confidence === null ? "" : confidence.toFixed(2)),
        el("td", { class: "short" }, years || ""),
        el("td", { class: "short" }, evidence.length === 0 ? "" : el("button", {
          type: "button", class: "name", "aria-label": `Evidence of ${nodes.get(edge.from).data.name} ${edge.label} ${nodes.get(edge.to).data.name}`,
          onclick: () => go({ edge: edge.id }, true),
        }, plural(evidence.length, "sentence", "sentences"))));
    };
    byId("table").replaceChildren(el("table", {},
      el("caption", {}, `${plural(shownEdges.size, "relation", "relations")} of ${view.title}, as stated in abstracts, not verified`),
      el("thead", {}, el("tr", {}, head("From"), head("Relation"), head("To"), head("Papers", true), head("Confidence", true), head("Years"), head("Evidence"))),
      el("tbody", {}, ...view.edges.filter((edge) => shownEdges.has(edge.id)).map(row))));
  }

  // ---- Moving about ---------------------------------------------------------------------------------------------------

  function refresh() {
    filter();
    draw();
    showPanel();
    byId("stage").hidden = state.table;
    byId("table").hidden = !state.table;
    byId("as-graph").setAttribute("aria-pressed", String(!state.table));
    byId("as-table").setAttribute("aria-pressed", String(state.table));
    if (state.table) showTable();
    showFilters();
    byId("counts").textContent = `${shownNodes.size.toLocaleString("en")} of ${plural(nodes.size, "entity", "entities")}, `
      + `${shownEdges.size.toLocaleString("en")} of ${plural(edges.size, "relation", "relations")} shown`;
    remember();
  }

  function settle(read) {
    refresh();
    const { node, edge } = current();
    const ids = edge ? [edges.get(edge).from, edges.get(edge).to] : [node];
    if (!state.table) bringIntoView(ids);
    byId("spoken").textContent = edge
      ? `Selected ${nodes.get(ids[0]).data.name} ${edges.get(edge).label} ${nodes.get(ids[1]).data.name}`
      : `Selected ${nodes.get(node).data.name}, ${nodes.get(node).data.type}, ${plural(edgesOf.get(node).length, "relation", "relations")}`;
    if (read) byId("panel").querySelector("h2").focus();
  }

  function go(place, read = byId("panel").contains(document.activeElement) || byId("table").contains(document.activeElement)) {
    if (place.node !== current().node || place.edge !== current().edge) trail.push(place);
    settle(read);
  }

  function goBack() {
    const read = byId("panel").contains(document.activeElement);
    if (trail.length > 1) trail.pop();
    settle(read);
  }

  // ---- Filters --------------------------------------------------------------------------------------------------------

  function choices(box, rows, hidden, shape) {
    box.append(...rows.map((row) => {
      const input = el("input", { type: "checkbox", value: row.name });
      input.addEventListener("change", () => {
        if (input.checked) hidden().delete(row.name);
        else hidden().add(row.name);
        refresh();
      });
      return el("label", { class: "choice", title: row.about }, input, shape ? icon(row) : null,
        el("span", {}, row.name), el("span", { class: "count" }, row.count.toLocaleString("en")));
    }));
  }

  function showFilters() {
    for (const input of byId("types").querySelectorAll("input")) input.checked = !state.hiddenTypes.has(input.value);
    for (const input of byId("relations").querySelectorAll("input")) input.checked = !state.hiddenRelations.has(input.value);
    byId("confidence").value = state.confidence;
    byId("confidence-value").textContent = state.confidence.toFixed(2);
    byId("support").value = state.support;
    byId("support-value").textContent = state.support;
  }

  choices(byId("types"), view.types, () => state.hiddenTypes, true);
  choices(byId("relations"), view.relations, () => state.hiddenRelations, false);
  byId("claims").hidden = !view.edges.some((edge) => edge.data.support !== null || edge.data.confidence !== null);
  byId("support").max = mostSupport;
  byId("support").disabled = mostSupport === 1;
  for (const key of ["confidence", "support"]) {
    byId(key).addEventListener("input", () => {
      state[key] = Number(byId(key).value);
      refresh();
    });
  }
  byId("reset").addEventListener("click", () => {
    Object.assign(state, { hiddenTypes: new Set(), hiddenRelations: new Set(), confidence: 0, support: 1 });
    refresh();
  });
  byId("note").textContent = (types.has("Result") ? `Results: ${CAUTION.toLowerCase()}` : "Read from abstracts by rules and models, not verified.")
    + (view.hidden > 0 ? ` ${plural(view.hidden, "less supported neighbour is", "less supported neighbours are")} not on this page.` : "");

  // ---- Search -----------------------------------------------------------------------------------------------------------

  const search = byId("search");
  const matches = byId("matches");
  let chosen = 0;

  function find(text) {
    const wanted = fold(text.trim());
    if (!wanted) return [];
    const rank = ({ names }) => {
      if (names[0].startsWith(wanted)) return 0;
      if (names[0].includes(wanted)) return 1;
      return names.some((alias) => alias.includes(wanted)) ? 2 : 3;
    };
    return index.map((entry) => ({ entry, rank: rank(entry) })).filter((match) => match.rank < 3)
      .sort((a, b) => a.rank - b.rank).slice(0, 12).map(({ entry, rank: found }) => ({
        id: entry.id,
        alias: found === 2 ? nodes.get(entry.id).data.aliases[entry.names.findIndex((n) => n.includes(wanted)) - 1] : null,
      }));
  }

  function closeSearch() {
    matches.hidden = true;
    search.setAttribute("aria-expanded", "false");
    search.removeAttribute("aria-activedescendant");
  }

  function choose(position) {
    const options = [...matches.children];
    if (options.length === 0) return;
    chosen = (position + options.length) % options.length;
    options.forEach((option, i) => option.setAttribute("aria-selected", String(i === chosen)));
    options[chosen].scrollIntoView({ block: "nearest" });
    search.setAttribute("aria-activedescendant", options[chosen].id);
  }

  function take(id) {
    search.value = "";
    closeSearch();
    go({ node: id }, true);
  }

  search.addEventListener("input", () => {
    const found = find(search.value);
    matches.replaceChildren(...found.map(({ id, alias }, i) => {
      const option = el("li", { id: `match-${i}`, role: "option" }, typeIcon(id), name(nodes.get(id).data.name),
        el("span", { class: "muted" }, alias === null ? nodes.get(id).data.type : name(alias)));
      option.addEventListener("mousedown", (event) => {
        event.preventDefault();
        take(id);
      });
      option.dataset.node = id;
      return option;
    }));
    if (search.value.trim() && found.length === 0) byId("spoken").textContent = "Nothing by that name here";
    matches.hidden = found.length === 0;
    search.setAttribute("aria-expanded", String(found.length > 0));
    choose(0);
  });
  search.addEventListener("blur", closeSearch);
  search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter" && !matches.hidden) {
      event.preventDefault();
      take(matches.children[chosen].dataset.node);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      search.value = "";
      closeSearch();
      search.blur();
    }
  });

  // ---- Mouse and keyboard -------------------------------------------------------------------------------------------------

  network.on("click", ({ nodes: [node], edges: [edge] }) => {
    if (node !== undefined) go({ node });
    else if (edge !== undefined) go({ edge });
    else settle(false);
  });
  network.on("hoverEdge", ({ edge }) => drawing.edges.update({ id: edge, label: edges.get(edge).label }));
  network.on("blurEdge", ({ edge }) => drawing.edges.update({ id: edge, label: drawnEdge(edges.get(edge), bright()).label }));
  network.on("hoverNode", () => byId("canvas").style.setProperty("cursor", "pointer"));
  network.on("blurNode", () => byId("canvas").style.removeProperty("cursor"));

  byId("canvas").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const order = view.nodes.map((node) => node.id).filter((id) => shownNodes.has(id));
    if (step) {
      event.preventDefault();
      go({ node: order[(order.indexOf(current().node) + step + order.length) % order.length] }, false);
    } else if (event.key === "Enter") {
      byId("panel").querySelector("h2").focus();
    }
  });
  document.addEventListener("keydown", (event) => {
    const writing = ["INPUT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "checkbox";
    if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape") {
      goBack();
    }
  });

  for (const [id, table] of [["as-graph", false], ["as-table", true]]) {
    byId(id).addEventListener("click", () => {
      state.table = table;
      refresh();
    });
  }
  byId("fit").addEventListener("click", () => {
    state.table = false;
    refresh();
    fit(motion());
  });
  addEventListener("hashchange", () => {
    recall();
    settle(false);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readTheme();
    draw();
  });

  // ---- Start ------------------------------------------------------------------------------------------------------------

  if (matchMedia("(max-width: 820px)").matches) byId("filters").open = false;
  // The drawing needs its size before the table may cover it.
  const { table } = state;
  state.table = false;
  refresh();
  fit(false);
  network.once("afterDrawing", () => {
    state.table = table;
    if (table) refresh();
    document.documentElement.dataset.ready = "1";
  });
  network.redraw();
})();
