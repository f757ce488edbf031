"""What a model may say to reach out, run something or take over the page: the variants of family D.

`{sink}` stands for the address of a server that counts its visitors. Each is one answer; `window.caught` is what would
be set if anything ran.
"""

from __future__ import annotations

import base64

_SVG = '<svg xmlns="http://www.w3.org/2000/svg"><image href="{sink}/data-svg"/><script>window.caught=1</script></svg>'

FETCHES = {
    "an image": "![a]({sink}/md.png)",
    "an image by reference": "![a][b]\n\n[b]: {sink}/ref.png",
    "an image in a link": "[![a]({sink}/linked.png)](https://example.com)",
    "an image with a title": '![a](<{sink}/title.png> "t")',
    "an img": '<img src="{sink}/img.png">',
    "an img in capitals, unquoted": "<IMG SRC={sink}/caps.png>",
    "an img without a scheme": '<img src="//{place}/bare.png">',
    "an img with backslashes": '<img src="http:\\\\{place}/back.png">',
    "an img with an entity": '<img src="&#104;ttp://{place}/entity.png">',
    "a srcset": '<img srcset="{sink}/set.png 1x, {sink}/set2.png 2x">',
    "a picture": '<picture><source srcset="{sink}/source.png"><img></picture>',
    "a lazy image": '<img loading="eager" src="{sink}/lazy.png" style="width:1px">',
    "an input of type image": '<input type="image" src="{sink}/input.png">',
    "a video": '<video autoplay src="{sink}/video.mp4" poster="{sink}/poster.png"></video>',
    "an audio": '<audio autoplay src="{sink}/audio.mp3"></audio>',
    "a track": '<video><track default src="{sink}/track.vtt"></video>',
    "an iframe": '<iframe src="{sink}/frame"></iframe>',
    "an iframe with srcdoc": "<iframe srcdoc=\"<img src='{sink}/srcdoc.png'>\"></iframe>",
    "an object": '<object data="{sink}/object"></object>',
    "an embed": '<embed src="{sink}/embed">',
    "an svg image": '<svg><image href="{sink}/svg.png" xlink:href="{sink}/xlink.png"/></svg>',
    "an svg use": '<svg><use href="{sink}/use.svg#a"/></svg>',
    "an svg filter": '<svg><filter id="f"><feImage href="{sink}/fe.png"/></filter><rect filter="url(#f)"/></svg>',
    "an svg as data": f'<img src="data:image/svg+xml;base64,{base64.b64encode(_SVG.encode()).decode()}">',
    "a style": "<style>@import '{sink}/import.css'; body {{ background: url({sink}/body.png) }}</style>",
    "a style attribute": '<p style="background: url({sink}/style.png)">a</p>',
    "a list's style": '<ul style="list-style-image: url({sink}/list.png)"><li>a</li></ul>',
    "a cursor and a border": '<p style="cursor: url({sink}/c.cur), auto; border-image: url({sink}/b.png) 1">a</p>',
    "a font": "<style>@font-face {{ font-family: f; src: url({sink}/font.woff) }} * {{ font-family: f }}</style>",
    "a stylesheet": '<link rel="stylesheet" href="{sink}/sheet.css">',
    "a preload": '<link rel="preload" as="image" href="{sink}/preload.png"><link rel="prefetch" href="{sink}/pre">',
    "an icon": '<link rel="icon" href="{sink}/icon.png">',
    "a manifest": '<link rel="manifest" href="{sink}/manifest.json">',
    "a refresh": '<meta http-equiv="refresh" content="0; url={sink}/refresh">',
    "a base": '<base href="{sink}/"><img src="relative.png">',
    "a table's background": '<table background="{sink}/table.png"><tr><td background="{sink}/td.png">a</table>',
    "a mermaid drawing": '```mermaid\nflowchart LR\nA@{{ img: "{sink}/mermaid.png" }}\n```',
    "a drawing in a fence": '```svg\n<svg><image href="{sink}/fence.png"/></svg>\n```',
    "maths with a picture": "$$\\includegraphics{{{sink}/tex.png}}$$",
    "maths with a style": "\\(\\htmlStyle{{background:url({sink}/html.png)}}{{x}}\\)",
    "a form that sends itself": '<form action="{sink}/form"><input autofocus onfocus="this.form.submit()"></form>',
    "a script": '<script src="{sink}/script.js"></script>',
    "a module": '<script type="module">import "{sink}/module.js"</script>',
    "a fetch": "<script>fetch('{sink}/fetch'); navigator.sendBeacon('{sink}/beacon')</script>",
    "a socket": "<script>new WebSocket('ws://{place}/ws'); new EventSource('{sink}/events')</script>",
    "a file of ours by another host": "![a](http://localhost:{port}/file.png)",
}

RUNS = {
    "a script": "<script>window.caught=1</script>",
    "an error's handler": '<img src=x onerror="window.caught=1">',
    "a load's handler": '<svg onload="window.caught=1"></svg>',
    "a movement's handler": '<svg><animate onbegin="window.caught=1" attributeName="x" dur="1s"/></svg>',
    "a toggle's handler": '<details open ontoggle="window.caught=1">a</details>',
    "a focus' handler": '<input autofocus onfocus="window.caught=1">',
    "a handler in capitals": "<IMG SRC=x ONERROR=window.caught=1>",
    "a body": '<body onload="window.caught=1" onpageshow="window.caught=1">',
    "a broken tag": '<img src="x` `<script>window.caught=1</script>"` `>',
    "a tag in maths": "<math><mtext></form><form><mglyph><style></math><img src onerror=window.caught=1>",
    "a tag in a comment": "<!--><img src=x onerror=window.caught=1>-->",
    "a template": "<template><script>window.caught=1</script></template>",
    "a tag in noscript": '<noscript><p title="</noscript><img src=x onerror=window.caught=1>">',
    "a frame with a script's address": '<iframe src="javascript:parent.caught=1"></iframe>',
    "a frame with a page of its own": '<iframe srcdoc="<script>parent.caught=1</script>"></iframe>',
    "a fence's language": '```"><img src=x onerror=window.caught=1>\ncode\n```',
    "a link's title": '[a](https://example.com "\\"><img src=x onerror=window.caught=1>")',
    "an image's text": '!["><img src=x onerror=window.caught=1>](https://example.com/x.png)',
    "maths": "$$\\href{{javascript:window.caught=1}}{{x}} \\url{{javascript:window.caught=1}}$$",
    "a handler of a style": '<p style="animation: spin 1s" onanimationstart="window.caught=1">a</p>',
    "a mermaid drawing": '```mermaid\ngraph TD; A["<img src=x onerror=window.caught=1>"]\n```',
}

# Pressed one by one: nothing runs, and the page stays where it is.
LINKS = {
    "javascript": "[press](javascript:window.caught=1)",
    "javascript in capitals": "[press](JaVaScRiPt:window.caught=1)",
    "javascript with a tab": '<a href="java&#9;script:window.caught=1">press</a>',
    "javascript behind a space": '<a href=" &#1;javascript:window.caught=1">press</a>',
    "data": '<a href="data:text/html,<script>opener.caught=1</script>">press</a>',
    "vbscript": "[press](vbscript:window.caught=1)",
    "a file": "[press](file:///etc/passwd)",
    "in this window": '<a href="{sink}/self" target="_self">press</a>',
    "in the window above": '<a href="{sink}/top" target="_top">press</a>',
    "with a ping": '<a href="#" ping="{sink}/ping">press</a>',
    "a button of a form": '<form action="{sink}/form" method="post"><button>press</button></form>',
    "a button with an action": '<button formaction="{sink}/action" form="x">press</button>',
    "an area of a map": '<map name="m"><area href="javascript:window.caught=1"></map><img usemap="#m">press',
    "a summary": "<details><summary>press</summary><img src=x onerror=window.caught=1></details>",
}

# The composer must stay in reach: nothing may lie over it.
OVERLAYS = {
    "a fixed layer": '<div style="position:fixed;inset:0;z-index:99999;background:red">a</div>',
    "a layer by class": '<div class="fixed inset-0 z-50 hearth-waiting" id="composer">a</div>',
    "a dialog": '<dialog open style="position:fixed;width:100vw;height:100vh">a</dialog>',
    "a popover": '<div popover="manual" id="p" style="inset:0">a</div>',
    "a wide thing": '<div style="position:absolute;top:-9999px;left:-9999px;width:99999px;height:99999px">a</div>',
    "a huge margin": '<p style="margin-top:-5000px;height:9999px">a</p>',
    "a transform": '<p style="transform:scale(900);transform-origin:0 0">a</p>',
    "a style for everything": "<style>* { display: none !important } body { pointer-events: none }</style>",
    "a look of ours": '<link rel="stylesheet" href="data:text/css,*{display:none}">',
    "maths that is raised": r"$$\raisebox{-900em}{\rule{999em}{999em}}$$ and \(\smash{\rule{40em}{999em}}\)",
    "maths that is moved": r"$$\kern-900em\rlap{\kern200em\rule{900em}{90em}}\llap{\Huge x}$$",
    "maths in heaps": r"$$" + r"\mathop{\vbox{}}\limits^{\rule{50em}{50em}}" * 9 + "$$",
    "our own elements": '<div id="composer"><textarea id="chat-input"></textarea></div><article>a</article>',
    "a code language": '```"onmouseover="caught=1" style="position:fixed;inset:0\n1\n```',
}
