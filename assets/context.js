// The context, visible: a gauge at the composer, and on a click a panel that says what fills it. What is shown comes from
// assistant/ui/context_panel.py as words; nothing of a chat becomes HTML here.
(() => {
  "use strict";
  const FIRST_ROWS = 200;
  const one = (selector) => document.querySelector(selector);
  const made = (name, classes, text = "") => {
    const element = document.createElement(name);
    element.className = classes;
    element.textContent = text;
    return element;
  };
  const button = (text, onClick, classes = "") => {
    const element = made("button", `context-button ${classes}`, text);
    element.type = "button";
    element.addEventListener("click", onClick);
    return element;
  };

  let told = null; // the gauge, as the feed told it last
  let declined = ""; // the chat whose notice was put away
  let shown = null; // what the panel shows
  let bySize = false;
  let rowsShown = FIRST_ROWS;
  let busy = false;

  const chat = () => window.hearth.transcript.chat();
  const panel = () => one("#context-panel");
  const gauge = () => {
    const there = one("#context-gauge");
    const foot = one("#composer-foot");
    if (there || !foot) return there;
    const element = button("", () => (panel() ? close() : open()));
    element.id = "context-gauge";
    element.setAttribute("aria-haspopup", "dialog");
    element.append(made("span", "context-ring"), made("span", "context-short"));
    foot.append(element);
    return element;
  };

  const tell = (state) => {
    told = state;
    const element = gauge();
    if (!element) return;
    const ring = element.querySelector(".context-ring");
    ring.hidden = state.fill === null;
    ring.style.setProperty("--fill", String(state.fill ?? 0));
    element.querySelector(".context-short").textContent = state.short;
    element.classList.toggle("context-near", state.near);
    element.setAttribute("aria-label", state.label);
    element.setAttribute("aria-expanded", String(Boolean(panel())));
    element.title = state.label;
    notice();
    if (panel() && !busy) load();
  };
  // Where the person is to choose: a line with both ways, above the composer.
  const notice = () => {
    const wanted = told?.notice && declined !== chat() && !panel();
    one("#context-notice")?.remove();
    if (!wanted) return;
    const line = made("div", "");
    line.id = "context-notice";
    line.setAttribute("role", "status");
    const shut = button("×", () => { declined = chat(); notice(); }, "context-shut");
    shut.setAttribute("aria-label", window.hearth.words.close);
    line.append(
      made("span", "", told.notice.words),
      button(told.notice.leave_out, (event) => wish({ do: "leave_out" }, event.target)),
      button(told.notice.summarise, (event) => wish({ do: "summarise" }, event.target)),
      shut,
    );
    one("#composer-box")?.before(line);
  };

  const load = async () => {
    const asked = chat();
    const answer = await fetch(`/context/${asked}`).catch(() => null);
    take(answer?.ok ? await answer.json() : null, asked);
  };
  const take = (state, asked) => {
    if (!panel() || asked !== chat()) return;
    if (state) { shown = state; draw(); }
    else fault(window.hearth.words.contextFailed);
  };
  const wish = async (order, origin) => {
    if (busy || !chat()) return;
    busy = true;
    panel()?.classList.add("context-busy");
    if (origin) { origin.disabled = true; origin.textContent = shown?.words.working ?? "…"; }
    const asked = chat();
    try {
      const answer = await fetch("/context", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ chat: asked, ...order }),
      });
      const state = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(state.error ?? window.hearth.words.contextFailed);
      busy = false;
      tell(state.gauge);
      take(state, asked);
    } catch (error) {
      busy = false;
      if (panel()) draw();
      else notice();
      fault(error instanceof TypeError ? window.hearth.words.contextFailed : error.message);
    }
    panel()?.classList.remove("context-busy");
  };
  const fault = (why) => {
    const place = panel() ?? one("#context-notice");
    if (!place) return;
    let line = place.querySelector(".context-fault");
    if (!line) {
      line = made("p", "context-fault");
      line.setAttribute("role", "alert");
      place.prepend(line);
    }
    line.textContent = why;
  };

  const open = () => {
    if (!gauge() || !chat()) return;
    const place = made("section", "");
    place.id = "context-panel";
    place.setAttribute("role", "dialog");
    place.tabIndex = -1;
    one("#composer").append(place);
    gauge().setAttribute("aria-expanded", "true");
    [shown, bySize, rowsShown] = [null, false, FIRST_ROWS];
    notice();
    place.focus({ preventScroll: true });
    load();
  };
  const close = () => {
    const hadFocus = panel()?.contains(document.activeElement);
    panel()?.remove();
    gauge()?.setAttribute("aria-expanded", "false");
    if (hadFocus) gauge()?.focus();
    notice();
  };

  const draw = () => {
    const place = panel();
    const { words } = shown;
    const list = place.querySelector(".context-list");
    const [top, focused] = [list?.scrollTop ?? 0, document.activeElement?.dataset?.place];
    const hadFocus = place.contains(document.activeElement);
    place.setAttribute("aria-label", shown.title);
    const head = made("header", "context-head");
    const shut = button("×", close, "context-shut");
    shut.setAttribute("aria-label", words.close);
    head.append(made("h2", "", shown.title), shut);
    place.replaceChildren(head, made("p", "context-sum", shown.head), bar(), rows(), foot());
    place.querySelector(".context-list").scrollTop = top;
    const again = focused && [...place.querySelectorAll("[data-place]")].find((each) => each.dataset.place === focused);
    if (again) again.focus({ preventScroll: true });
    else if (hadFocus) place.focus({ preventScroll: true });
  };
  const bar = () => {
    const place = made("div", "context-bar");
    place.setAttribute("aria-hidden", "true");
    place.hidden = shown.parts.length === 0;
    for (const [name, percent] of shown.parts) {
      const part = made("span", `context-part-${name}`);
      part.style.width = `${percent}%`;
      place.append(part);
    }
    return place;
  };
  const rows = () => {
    const { words } = shown;
    const place = made("div", "context-list");
    place.tabIndex = 0;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", shown.title);
    if (!shown.rows.length) place.append(made("p", "context-quiet", words.empty));
    const ordered = bySize ? [...shown.rows].sort((one_, other) => other.tokens - one_.tokens) : shown.rows;
    const list = made("ul", "");
    for (const row of ordered.slice(0, rowsShown)) list.append(rowElement(row));
    place.append(list);
    if (ordered.length > rowsShown) {
      place.append(button(words.more, () => { rowsShown += FIRST_ROWS; draw(); }));
    }
    return place;
  };
  const rowElement = (row) => {
    const { words } = shown;
    const item = made("li", `context-row context-${row.fate}`);
    const what = made("div", "context-what");
    what.append(made("strong", "", row.title), made("span", "context-words", row.words));
    const count = made("span", "context-count", row.tokens.toLocaleString("en"));
    item.append(what, count);
    if (row.kind !== "message") return item;
    const actions = made("div", "context-actions");
    if (row.note) actions.append(made("span", "context-note", row.note));
    const act = (text, order, verb) => {
      const element = button(text, () => wish({ do: order, message: row.id }));
      element.dataset.place = `${verb} ${row.id}`;
      element.setAttribute("aria-label", `${text}: ${row.words}`);
      return element;
    };
    const isOut = row.fate === "left_out";
    if (!isOut) actions.append(act(row.is_pinned ? words.unpin : words.pin, row.is_pinned ? "unmark" : "pinned", "pin"));
    if (row.fate !== "covered") actions.append(act(isOut ? words.send : words.leaveOut, isOut ? "unmark" : "left_out", "out"));
    item.append(actions);
    return item;
  };
  const foot = () => {
    const { words } = shown;
    const place = made("div", "context-foot"); // Gradio hides every footer
    if (shown.reserve) place.append(made("p", "context-quiet", shown.reserve));
    const ways = made("div", "context-ways");
    if (shown.rows.length > 8) {
      ways.append(button(bySize ? words.byPlace : words.bySize, () => { bySize = !bySize; draw(); }));
    }
    if (shown.can_make_room) {
      ways.append(
        button(words.leaveOutOldest, (event) => wish({ do: "leave_out" }, event.target)),
        button(words.summariseOldest, (event) => wish({ do: "summarise" }, event.target)),
      );
    }
    if (shown.is_covered) ways.append(button(words.sendAll, () => wish({ do: "send_all" })));
    const label = made("label", "context-choice", words.whenFull);
    const choice = made("select", "");
    for (const [value, text] of shown.choices) choice.append(new Option(text, value));
    choice.value = shown.when_full;
    choice.dataset.place = "when full";
    choice.addEventListener("change", () => wish({ do: "when_full", value: choice.value }));
    label.append(choice);
    place.append(ways, label);
    return place;
  };

  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !panel()) return;
    event.stopImmediatePropagation();
    close();
  }, true);
  addEventListener("pointerdown", (event) => {
    if (panel() && event.target.isConnected && !event.target.closest?.("#context-panel, #context-gauge")) close();
  }, true);
  document.addEventListener("hearth-chat", () => { if (panel()) close(); told = null; one("#context-notice")?.remove(); });
  window.hearth.context = { tell };
})();
