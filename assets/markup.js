// Markdown as a page's elements, block by block, so that what has been drawn is not drawn again while a text grows.
//
// markdown-it reads it, with HTML switched off: every tag of a model's is shown as text, but for the few of INLINE_TAGS,
// which we write ourselves and without attributes. Links lead to http, https and mailto only; pictures become links.
(() => {
  "use strict";
  const { words, gradio } = window.hearth;
  const LONGEST_TAIL = 40_000; // characters: an unfinished block beyond this waits as plain text for its end
  const LONGEST_CODE = 100_000; // beyond this, code is not coloured
  const LONGEST_LINE_OF_CODE = 1_000; // of a longer one, some languages take a time that grows with its square
  const LONGEST_MATHS = 10_000;
  const LONGEST_DIAGRAM = 3_000;
  const MOST_LINES_OF_DIAGRAM = 100;
  const DIAGRAMS = /^\s*(graph|flowchart|sequenceDiagram|classDiagram|stateDiagram|erDiagram|mindmap|pie|journey|timeline|gitGraph|gantt)\b/m;
  const ENDLESS = /excludes|tickInterval|[-=.~]{12}/; // days, ticks and lengths are counted one by one
  const INLINE_TAGS = ["b", "em", "i", "kbd", "mark", "s", "small", "strong", "sub", "sup", "u"];
  const DELIMITERS = [["$$", "$$", true], ["\\[", "\\]", true], ["\\(", "\\)", false]];

  const load = (name) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `/scripts/${name}`;
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  const once = (begin) => { let begun = null; return () => (begun ??= begin()); };
  const colours = once(() => load("highlight.min.js"));
  const maths = once(async () => {
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = gradio.mathsStyle;
    document.head.append(style);
    return (await import(gradio.maths)).default;
  });
  const diagrams = once(async () => {
    const { default: mermaid } = await import(gradio.diagrams);
    const { secure } = mermaid.mermaidAPI.defaultConfig; // what a diagram's own words may not set; a page's look neither
    mermaid.initialize({
      startOnLoad: false, securityLevel: "strict", suppressErrorRendering: true, htmlLabels: false, maxEdges: 150,
      secure: [...secure, "themeCSS", "themeVariables", "fontFamily", "altFontFamily", "dompurifyConfig", "htmlLabels"],
    });
    return mermaid;
  });

  let markdown = null;
  const ready = load("markdown-it.min.js").then(() => { markdown = reader(); });

  const reader = () => {
    const md = window.markdownit({ html: false, linkify: true });
    md.linkify.set({ fuzzyLink: false, fuzzyEmail: false }); // or "main.py" is a link to Paraguay
    const escape = md.utils.escapeHtml;
    md.validateLink = () => true; // the rule "links" looks at each
    md.inline.ruler.before("escape", "maths", readMaths);
    md.inline.ruler.before("html_inline", "tags", readTags);
    md.block.ruler.before("paragraph", "maths_block", readMathsBlock, { alt: ["paragraph"] });
    const rules = md.renderer.rules;
    rules.maths = (tokens, index) => `<span class="hearth-maths">${escape(tokens[index].content)}</span>`;
    rules.maths_block = (tokens, index) => `<div class="hearth-maths">${escape(tokens[index].content)}</div>`;
    rules.image = (tokens, index) => {
      const address = tokens[index].attrGet("src");
      const name = escape(tokens[index].content || address);
      return leadsOut(address) ? `<a href="${escape(address)}" ${OUTWARD}>${name}</a>` : `<span>${name}</span>`;
    };
    rules.fence = rules.code_block = (tokens, index) => {
      const language = (tokens[index].info || "").trim().split(/\s+/)[0];
      return codeBlock(escape(language), escape(tokens[index].content));
    };
    rules.table_open = () => '<div class="hearth-table" tabindex="0"><table>';
    rules.table_close = () => "</table></div>";
    md.core.ruler.push("links", (state) => {
      for (const { children } of state.tokens) {
        const open = [];
        for (const token of children ?? []) {
          if (token.type === "link_open") {
            const address = token.attrGet("href");
            open.push(leadsOut(address) ? "a" : "span");
            token.tag = open.at(-1);
            token.attrs = token.tag === "a" ? [["href", address], ["target", "_blank"], ["rel", "noopener noreferrer"]] : [];
          } else if (token.type === "link_close") token.tag = open.pop();
        }
      }
    });
    md.core.ruler.push("tasks", (state) => {
      state.tokens.forEach((token, index) => {
        const box = token.type === "inline" && state.tokens[index - 2]?.type === "list_item_open"
          && token.children[0]?.type === "text" && token.children[0].content.match(/^\[([ xX])\] /);
        if (box) token.children[0].content = (box[1] === " " ? "☐ " : "☑ ") + token.children[0].content.slice(4);
      });
    });
    return md;
  };

  const OUTWARD = 'target="_blank" rel="noopener noreferrer"';
  const leadsOut = (address) => /^(https?:\/\/|mailto:[^?]*$)/i.test(address); // a letter's words are the person's own

  const codeBlock = (language, content) =>
    `<div class="hearth-code"><div class="hearth-code-head"><span>${language}</span>`
    + `<button type="button" class="hearth-copy-code">${words.copy}</button></div>`
    + `<pre tabindex="0"><code data-language="${language}">${content}</code></pre></div>`;

  // Maths: from one delimiter to the next of its kind, with no blank line between. It goes through Markdown untouched.
  const readMaths = (state, silent) => {
    const { src, pos } = state;
    const kind = DELIMITERS.find(([open]) => src.startsWith(open, pos));
    if (!kind) return false;
    const end = src.indexOf(kind[1], pos + 2);
    if (end < 0 || !src.slice(pos + 2, end).trim()) return false;
    if (!silent) state.push("maths", "", 0).content = src.slice(pos, end + 2);
    state.pos = end + 2;
    return true;
  };
  const readMathsBlock = (state, from, to, silent) => {
    const start = state.bMarks[from] + state.tShift[from];
    const kind = DELIMITERS.find(([open, , isDisplay]) => isDisplay && state.src.startsWith(open, start));
    if (!kind || state.sCount[from] - state.blkIndent >= 4) return false;
    let line = from;
    for (; line < to && !state.isEmpty(line); line += 1) {
      const begin = line === from ? start + 2 : state.bMarks[line] + state.tShift[line];
      const end = state.src.slice(begin, state.eMarks[line]).trimEnd();
      const mayEndLater = state.env.grows && line + 1 >= state.lineMax; // so nothing in it begins another block
      if (!end.endsWith(kind[1]) && !mayEndLater) continue;
      if (!silent) {
        const token = state.push("maths_block", "", 0);
        token.content = state.src.slice(start, state.eMarks[line]).trimEnd();
        token.map = [from, line + 1];
      }
      state.line = line + 1;
      return true;
    }
    return false;
  };

  // <br>, and a few tags in pairs, without attributes; everything else stays text.
  const TAG = new RegExp(`^<(${INLINE_TAGS.join("|")})>`);
  const readTags = (state, silent) => {
    const rest = state.src.slice(state.pos, state.posMax);
    const broken = rest.match(/^<br ?\/?>/);
    if (broken) {
      if (!silent) state.push("hardbreak", "br", 0);
      state.pos += broken[0].length;
      return true;
    }
    const tag = rest.match(TAG)?.[1];
    const end = tag ? rest.indexOf(`</${tag}>`) : -1;
    if (end < 0) return false;
    if (!silent) {
      const { pos, posMax } = state;
      state.push("tag_open", tag, 1);
      state.pos = pos + tag.length + 2;
      state.posMax = pos + end;
      state.md.inline.tokenize(state);
      state.push("tag_close", tag, -1);
      state.posMax = posMax;
      state.pos = pos;
    }
    state.pos += end + tag.length + 3;
    return true;
  };

  // The blocks of a text: HTML, and the line each begins in. `grows` says that more lines will follow.
  const blocksOf = (text, grows = false) => {
    const env = { grows };
    const tokens = markdown.parse(text, env);
    const blocks = [];
    let start = 0;
    tokens.forEach((token, index) => {
      if (token.level !== 0 || token.nesting > 0) return;
      const run = tokens.slice(start, index + 1);
      blocks.push({ line: run[0].map[0], html: () => markdown.renderer.render(run, markdown.options, env) });
      start = index + 1;
    });
    return blocks;
  };

  const blockElement = (html = "") => {
    const element = document.createElement("div");
    element.className = "hearth-block";
    element.innerHTML = html;
    return element;
  };

  // What takes time is done once for a block, when it is complete.
  const finish = (block) => {
    const codes = [...block.querySelectorAll("code[data-language]:not([data-language=''])")];
    for (const code of codes.filter((each) => each.textContent.length < LONGEST_CODE)) {
      if (code.dataset.language === "mermaid" && gradio.diagrams) draw(code);
      else if (window.hljs) colour(code);
      else colours().then(() => colour(code), () => {});
    }
    if (gradio.maths) {
      const places = [...block.querySelectorAll(".hearth-maths")];
      for (const place of places.filter((each) => each.textContent.length < LONGEST_MATHS)) typeset(place);
    }
  };
  const colour = (code) => {
    const { language } = code.dataset;
    if (!window.hljs?.getLanguage(language)) return;
    if (code.textContent.split("\n").some((line) => line.length > LONGEST_LINE_OF_CODE)) return;
    code.innerHTML = window.hljs.highlight(code.textContent, { language, ignoreIllegals: true }).value;
  };
  const typeset = (place) => maths().then((render) => render(place, {
    delimiters: DELIMITERS.map(([left, right, display]) => ({ left, right, display })),
    throwOnError: false,
    trust: false,
    maxSize: 50, // em; else one rule makes the page miles high
  })).catch(() => {}); // it stays as it was written
  // Mermaid takes its time in one go, and more than it has words for where a date or a number is large: so only kinds
  // that draw what was written, and not too much of it.
  const isSmall = (words) => words.length <= LONGEST_DIAGRAM && words.split("\n").length <= MOST_LINES_OF_DIAGRAM
    && DIAGRAMS.test(words) && !ENDLESS.test(words);
  let drawn = 0;
  let last = Promise.resolve(); // one after the other, with time for the page between them
  const draw = (code) => {
    if (!isSmall(code.textContent)) return;
    last = last.then(() => new Promise((resolve) => setTimeout(resolve))).then(() => paint(code));
  };
  const paint = async (code) => {
    const words = code.textContent;
    const desk = document.createElement("div"); // drawn in a place that nothing reaches out of, and shown as a picture:
    desk.className = "hearth-desk"; // a picture loads nothing, runs nothing, leads nowhere and has its styles to itself
    document.body.append(desk);
    try {
      const mermaid = await diagrams();
      drawn += 1;
      const { svg } = await mermaid.render(`hearth-diagram-${drawn}`, words, desk);
      const place = document.createElement("div");
      place.className = "hearth-diagram";
      place.append(await pictureOf(svg, words));
      code.closest(".hearth-code").replaceWith(place);
    } catch { /* it stays as it was written */ } finally { desk.remove(); }
  };
  const pictureOf = async (svg, words) => {
    const held = document.createElement("template"); // what stands in it is not part of the page
    held.innerHTML = svg;
    const drawing = held.content.firstElementChild;
    const { width, height } = drawing.viewBox.baseVal;
    drawing.setAttribute("width", width);
    drawing.setAttribute("height", height);
    const picture = new Image(width, height);
    picture.alt = words;
    picture.src = `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(drawing))}`;
    await picture.decode();
    return picture;
  };

  const FENCE = /^ {0,3}(?:(`{3,})([^`\n]*)|(~{3,})([^\n]*))\n/;
  const MAYBE_ITS_END = /\n {0,3}[`~]+[ \t]*$/;

  // A text that grows, in a place of its own. `onBlock` is told each block once it is complete.
  class Growing {
    constructor(place, onBlock = () => {}) {
      this.place = place;
      this.text = "";
      this._onBlock = onBlock;
      this._done = 0; // characters that stand in complete blocks
      this._tail = null; // the element of the block that is not complete
      this._code = null; // while that is a block of code: what ends it, and how much of it is shown
    }

    add(words) {
      this.text += words;
      if (!this._code) this._settle();
      while (this._code || this._beginsCode()) {
        const stop = this._codeStop();
        if (stop < 0) { this._growCode(); return; }
        this._code = null;
        this._complete(this._done, stop);
        this._settle();
      }
      this._showTail();
    }

    // Nothing more will come.
    end() {
      this._complete(this._done, this.text.length);
      this._tail?.remove();
      this._tail = this._code = null;
    }

    _complete(from, to) {
      for (const { html } of blocksOf(this.text.slice(from, to))) {
        const block = blockElement(html());
        this.place.insertBefore(block, this._tail);
        finish(block);
        this._onBlock(block);
      }
      this._done = to;
    }

    // A block is complete once a line of the next one is.
    _settle() {
      const whole = this.text.slice(this._done, this.text.lastIndexOf("\n") + 1);
      const last = blocksOf(whole, true).at(-1);
      if (!last) return;
      let at = 0;
      for (let line = 0; line < last.line; line += 1) at = whole.indexOf("\n", at) + 1;
      if (at > 0) this._complete(this._done, this._done + at);
    }

    _showTail() {
      const rest = this.text.slice(this._done);
      if (!rest.trim()) { this._tail?.remove(); this._tail = null; return; }
      if (!this._tail) { this._tail = blockElement(); this.place.append(this._tail); }
      if (rest.length <= LONGEST_TAIL) { this._tail.innerHTML = markdown.render(rest); return; }
      if (!this._tail.firstElementChild?.matches(".hearth-plain")) this._tail.innerHTML = '<div class="hearth-plain"></div>';
      const plain = this._tail.firstElementChild;
      plain.append(rest.slice(plain.textContent.length));
    }

    _beginsCode() {
      const fence = this.text.slice(this._done).match(FENCE);
      if (!fence) return false;
      const [marks, language] = fence[1] ? [fence[1], fence[2]] : [fence[3], fence[4]];
      const begin = this._done + fence[0].length;
      this._code = {
        end: new RegExp(`^ {0,3}${marks[0]}{${marks.length},}[ \\t]*\\n`, "gm"),
        looked: begin, // up to the beginning of this line, nothing ends it
        shown: begin,
        language: language.trim().split(/\s+/)[0],
        words: null,
      };
      return true;
    }

    _codeStop() {
      const { end } = this._code;
      end.lastIndex = this._code.looked;
      const found = end.exec(this.text);
      this._code.looked = Math.max(this._code.looked, this.text.lastIndexOf("\n") + 1);
      return found ? found.index + found[0].length : -1;
    }

    _growCode() {
      const code = this._code;
      if (!code.words) {
        if (!this._tail) { this._tail = blockElement(); this.place.append(this._tail); }
        this._tail.innerHTML = codeBlock(markdown.utils.escapeHtml(code.language), "");
        code.words = this._tail.querySelector("code").appendChild(document.createTextNode(""));
      }
      if (MAYBE_ITS_END.test(this.text.slice(-20))) return;
      code.words.appendData(this.text.slice(code.shown));
      code.shown = this.text.length;
    }
  }

  window.hearth.markup = { ready, Growing, blocksOf, finish };
})();
