"""A page for people who rehearse an outage: scenarios, faults, environments, operations, recent calls."""

HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Microsoft cloud simulator</title>
<style>
 :root { color-scheme: light dark; --line: #8884; }
 body { font: 14px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 1200px; padding: 0 1rem; }
 h1 { font-size: 1.3rem; margin: 0 } h2 { font-size: 1rem; margin: 1.6rem 0 .4rem }
 table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .25rem .6rem .25rem 0;
 border-bottom: 1px solid var(--line); vertical-align: top } th { font-weight: 600 }
 button { font: inherit; margin: 0 .3rem .3rem 0; padding: .25rem .7rem } td { overflow-wrap: break-word }
 button[aria-pressed=true] { background: #c33; border-color: #c33; color: #fff }
 label { display: block; margin: .4rem 0 .6rem } select { font: inherit }
 .bad { color: #c33; font-weight: 600 } .muted { opacity: .65 } .scroll { overflow-x: auto }
</style>
</head>
<body>
<h1>Microsoft cloud simulator</h1>
<p class="muted">Clock <span id="now"></span> · <span id="counts"></span></p>
<h2>Rehearse an outage</h2>
<label>For <select id="tenant"><option value="">all tenants</option></select></label>
<div id="scenarios"></div>
<p id="about" class="muted"></p>
<h2>Single faults</h2>
<div id="outages"></div>
<h2>Clock</h2>
<div id="clock"></div>
<h2>Faults in force</h2>
<div class="scroll"><table><thead><tr><th>Fault</th><th>Calls</th><th>When</th><th>Effect</th><th>Hits</th>
<th></th></tr></thead><tbody id="faults"></tbody></table></div>
<h2>Environments</h2>
<div class="scroll"><table><thead><tr><th>Name</th><th>Tenant</th><th>State</th><th>SKU</th><th>Managed</th>
<th>Group</th><th>Id</th></tr></thead><tbody id="environments"></tbody></table></div>
<h2>Operations</h2>
<div class="scroll"><table><thead><tr><th>Type</th><th>State</th><th>By</th><th>Environment</th><th>Started</th></tr>
</thead><tbody id="operations"></tbody></table></div>
<h2>Recent calls</h2>
<div class="scroll"><table><thead><tr><th>#</th><th>Host</th><th>Call</th><th>Status</th><th>Fault</th></tr></thead>
<tbody id="calls"></tbody></table></div>
<script>
const OUTAGES = {
 "Throttle everything": {throttle: "seconds", retry_after: 5, count: 0},
 "BAP answers 503": {host: "bap*", status: 503, count: 0},
 "Gateway pages from BAP": {host: "bap*", html_502: true, count: 0},
 "Lose the next create response": {method: "POST", path: "/environments\\\\?", drop_after: true},
 "Entra refuses by Conditional Access": {host: "login", method: "POST", aadsts: 53003, count: 0},
 "Graph is down": {host: "graph", drop_before: true, count: 0},
 "Next operation fails": {host: "bap", method: "POST", path: "environments", operation: "Failed"},
 "Hostile Location": {host: "bap", hostile_location: true, count: 0},
};
const byId = id => document.getElementById(id);
const cell = (text, css) => {
  const td = document.createElement("td"); td.textContent = text ?? ""; if (css) td.className = css; return td; };
const rows = (id, items, make) => byId(id).replaceChildren(...items.map(item => {
  const tr = document.createElement("tr"); tr.append(...make(item)); return tr; }));
const send = (method, path, body) => fetch(path, {method, body: body && JSON.stringify(body)}).then(refresh);
const button = (text, action) => {
  const b = document.createElement("button"); b.textContent = text; b.onclick = action; return b; };
const forTenant = () => byId("tenant").value ? {tenant: byId("tenant").value} : {};
const pressed = (b, on) => { b.setAttribute("aria-pressed", on); return b; };
byId("outages").append(
  ...Object.entries(OUTAGES).map(([name, rule]) =>
    button(name, () => send("POST", "/faults", {name, ...rule, ...forTenant()}))),
  button("Clear all faults", () => send("DELETE", "/faults")));
byId("clock").append(
  button("+1 minute", () => send("POST", "/clock", {advance_seconds: 60})),
  button("+1 hour", () => send("POST", "/clock", {advance_seconds: 3600})),
  button("+1 day", () => send("POST", "/clock", {advance_seconds: 86400})));
const when = ({nth = 1, every = 1, count = 1, hits = 0}) =>
  count === 0 ? (every > 1 ? `one call in ${every}` : "every call") : hits >= count ? "spent" :
  count > 1 ? `${count - hits} more calls` : nth > 1 ? `call ${nth}` : "the next call";
const value = v => v && v.error ? v.error.code : typeof v === "string" ? v : JSON.stringify(v);
const what = effect => Object.entries(effect).map(([k, v]) =>
  k.replaceAll("_", " ") + (v === true ? "" : ` ${value(v)}`)).join(", ");
let shown = "";
function show(state) {  // only what changed: a button that is replaced under a finger does nothing
  const names = state.tenants.map(t => t.name);
  const now = JSON.stringify([state.active, state.scenarios, state.faults.map(f => f.id), names]);
  if (now === shown) return;
  shown = now;
  const chosen = byId("tenant").value, focused = document.activeElement.textContent;
  byId("tenant").replaceChildren(new Option("all tenants", ""), ...state.tenants.map(t => new Option(t.name, t.id)));
  byId("tenant").value = chosen;
  byId("scenarios").replaceChildren(
    ...state.scenarios.map(s => pressed(
      button(s.title, () => send(s.name === state.active ? "DELETE" : "POST", "/scenarios",
        s.name === state.active ? undefined : {name: s.name, ...forTenant()})), s.name === state.active)));
  [...byId("scenarios").children].find(b => b.textContent === focused)?.focus();
  const on = state.scenarios.find(s => s.name === state.active);
  const whose = state.tenants.find(t => state.faults.some(f => f.scenario && f.tenant === t.id));
  byId("about").textContent = !on ? "No scenario is on."
    : `${on.title}, for ${whose ? whose.name : "all tenants"}. ${on.description} Press again to switch it off.`;
}
async function refresh() {
  const state = await (await fetch("/state")).json();
  const journal = await (await fetch("/journal?limit=40")).json();
  const names = Object.fromEntries(state.tenants.map(t => [t.id, t.name]));
  const groups = Object.fromEntries(state.tenants.flatMap(t => t.environment_groups.map(g => [g.id, g.display_name])));
  show(state);
  byId("now").textContent = state.now.slice(0, 19) + "Z";
  byId("counts").textContent =
    `${state.tenants.length} tenants, ${state.environments.length} environments, ${journal.next} calls`;
  rows("faults", state.faults, f => { const td = document.createElement("td");
    td.append(button("Remove", () => send("DELETE", "/faults/" + f.id)));
    const {id, name, scenario, tenant, method, path, host, nth, every, count, hits, seen,
           management_application, ...effect} = f;
    const who = management_application ? "management applications" : "";
    const calls = [names[tenant] || tenant, host, method, path, who].filter(Boolean).join(" · ");
    return [cell(name || id), cell(calls || "all"), cell(when(f), when(f) === "spent" ? "muted" : ""),
            cell(what(effect)), cell(hits || 0), td]; });
  rows("environments", state.environments.slice(-200).reverse(), e => [cell(e.display_name), cell(names[e.tenant]),
    cell(e.life), cell(e.sku), cell(e.protection_level === "Standard" ? "yes" : "no"),
    cell(groups[e.environment_group_id] || e.environment_group_id), cell(e.id)]);
  rows("operations", state.operations.slice(-40).reverse(), o => [cell(o.typeDisplayName),
    cell(o.state.id, o.state.id === "Failed" ? "bad" : ""), cell(o.requestedBy.displayName), cell(o.environment),
    cell(o.createdDateTime.slice(0, 19))]);
  const path = url => { const {pathname, search} = new URL(url); return pathname + search; };
  rows("calls", journal.entries.reverse(), c => [cell(c.seq), cell(c.host), cell(`${c.method} ${path(c.url)}`),
    cell(c.status || "dropped", c.status >= 400 || !c.status ? "bad" : ""), cell(c.fault, "bad")]);
}
refresh(); setInterval(refresh, 2000);
</script>
</body>
</html>
"""
