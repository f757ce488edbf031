// The composer: a question leaves it the moment it is asked, and comes back if it could not be. What is typed meanwhile
// stays: Gradio's own way would empty the field once the server has answered, whatever stands in it by then.
(() => {
  "use strict";
  const one = (selector) => document.querySelector(selector);
  const field = () => one("#chat-input textarea");
  // transcript.js sets and takes away the same class, as answers begin and end. Send and Stop go by it.
  const run = (isRunning) => document.body.classList.toggle("hearth-running", isRunning);
  let asking = 0; // questions that are on their way
  // While another chat comes, what runs is the last one's, and holds up nothing.
  const isRunning = () => (
    asking > 0 || (document.body.classList.contains("hearth-running") && !window.hearth.transcript.isTurning())
  );
  document.addEventListener("hearth-chat", () => { if (!asking) run(false); });

  const put = (words) => {
    const place = field();
    if (!place) return;
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(place, words);
    place.dispatchEvent(new InputEvent("input", { bubbles: true }));
  };
  // What could not be asked stands before what has been typed since.
  const returned = (words, why) => {
    const since = field()?.value ?? "";
    put(since ? `${words}\n${since}` : words);
    tell(why);
  };
  const tell = (why) => {
    let line = one("#composer-fault");
    if (!line) {
      line = document.createElement("p");
      line.id = "composer-fault";
      line.setAttribute("role", "alert");
      one("#composer")?.prepend(line);
    }
    line.textContent = why;
    line.hidden = !why;
  };

  const ask = async (text, mark) => {
    const { transcript, pictures } = window.hearth;
    const edit = mark.className.match(/hearth-edits-(\w+)/)?.[1] ?? "";
    if (edit) mark.classList.remove(`hearth-edits-${edit}`); // what is asked next, before the server says so, is no edit
    const giveBack = (why) => {
      if (edit) mark.classList.add(`hearth-edits-${edit}`);
      returned(text, why);
    };
    put("");
    tell("");
    run(true);
    asking += 1;
    transcript.comeBack();
    let files = [];
    try {
      files = await pictures.taken();
      await transcript.turned();
      const chat = transcript.chat(); // the one that the person sees; the mark may come late
      const answer = await fetch("/ask", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ chat, text, edit, files }),
      });
      const told = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(told.error ?? window.hearth.words.unasked);
      if (told.draft && !field()?.value) put(told.draft);
    } catch (fault) {
      run(one("#chat-live").childElementCount > 0);
      pictures.giveBack(files);
      giveBack(fault instanceof TypeError ? window.hearth.words.unasked : fault.message);
    } finally {
      asking -= 1;
    }
    one("#look")?.click();
  };

  // True where the question is ours to ask. A page that does not know its chat yet leaves it to Gradio.
  const takes = () => {
    const mark = one("#chat-target [class*='hearth-chat-']");
    const text = field()?.value ?? "";
    if (!mark || !window.hearth.transcript.chat()) return false;
    if ((text.trim() || window.hearth.pictures.has()) && !isRunning()) ask(text, mark);
    return true;
  };
  window.hearth.composer = { tell };
  const stop = (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target !== field()) return;
    if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    if (takes()) stop(event);
  }, true);
  addEventListener("click", (event) => {
    if (event.target.closest?.("#chat-send") && takes()) stop(event);
  }, true);
})();
