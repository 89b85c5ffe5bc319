"""How the page looks: colours, type, and what a phone, the keyboard and the clipboard need beyond Gradio's own."""

import gradio as gr

HEADER = """<header id="head"><h1>colorgan</h1>
<p>Drop in a black-and-white photograph: its colours appear at once.</p></header>"""
THEME = gr.themes.Default(
    primary_hue="teal",
    neutral_hue="stone",
    radius_size="lg",
    font=["ui-sans-serif", "system-ui", "sans-serif"],  # the visitor's own, so that no font is fetched
    font_mono=["ui-monospace", "monospace"],
).set(
    body_background_fill="*neutral_100",
    body_text_color_subdued="*neutral_600",  # Gradio's own is too pale to read
    block_info_text_color="*neutral_600",
    block_shadow="none",
    block_shadow_dark="none",
    button_primary_background_fill="*primary_700",  # white on it has a contrast of more than 4.5
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover_dark="*primary_600",
    button_primary_text_color="white",
    link_text_color="*primary_700",
    link_text_color_dark="*primary_300",
)
CSS = """
.gradio-container { max-width: 1120px !important; width: 100% !important; margin: 0 auto !important; }
.html-container:has(#head) { padding: 0; }
#head h1 { font-size: 2.4rem; line-height: 1.1; font-weight: 750; letter-spacing: -0.03em; margin: 0;
  width: fit-content; color: transparent; background-clip: text; -webkit-background-clip: text;
  background-image: linear-gradient(90deg, #8a8a8a 22%, #0d9488 50%, #d97706 78%, #db2777); }
#head p { font-size: 1.15rem; margin: 0.25rem 0 0; color: var(--body-text-color-subdued); }
.notice { border-left: 3px solid #d97706; border-radius: 0; padding-left: 0.8rem; }
.notice .notice { border: 0; padding: 0; }
.small p { font-size: 0.8rem; color: var(--body-text-color-subdued); }
.pictures .grid-wrap { max-height: none; min-height: 0; }
.pictures .thumbnail-item { aspect-ratio: auto; height: auto; border: 0; box-shadow: none; background: none; }
.pictures .caption-label { position: static; max-width: none; border: 0; background: none; text-align: left;
  white-space: normal; padding: 0.1rem; }
#samples { max-width: 820px; margin: 0 !important; }
#sample-controls { align-items: end; }
#samples .grid-container, #compared .grid-container { grid-template-columns: repeat(var(--grid-cols), minmax(0, 1fr)); }
#samples img, .crisp img { image-rendering: pixelated; }
.crisp img { max-height: 560px; object-fit: contain; }
#samples .thumbnail-item img { width: 100%; }
#progress progress { width: 100%; height: 0.6rem; appearance: none; border: 0; border-radius: 1rem; overflow: hidden; }
#progress progress, #progress ::-webkit-progress-bar { background: var(--neutral-300); }
#progress ::-webkit-progress-value { background: var(--primary-600); }
#progress ::-moz-progress-bar { background: var(--primary-600); }
#photo .source-selection { position: relative; z-index: 2; }  /* the camera's panel lies over it otherwise */
#photo img { line-height: 11rem; text-align: center; }  /* of the words in place of what no browser shows */
button[role=tab][aria-selected=true] { color: var(--link-text-color); }
#give .label { color: var(--body-text-color-subdued); }
#get button { overflow-wrap: anywhere; }  /* a file's name may be long */
input:is([type=range], [type=radio]):focus-visible { outline: 2px solid var(--primary-600); outline-offset: 2px; }
.model { border-top: 1px solid var(--border-color-primary); padding-top: 0.8rem; }
.model table { display: block; overflow-x: auto; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
.model table, .model table * { border: 0 !important; box-shadow: none !important; }
.model table :is(th, td) { padding: 0.25rem 0.9rem 0.25rem 0 !important; white-space: nowrap; }
.model tbody td { border-top: 1px solid var(--border-color-primary) !important; }
@media (max-width: 700px) {  /* a phone shows the result right under the photograph, the examples last */
  #head h1 { font-size: 1.9rem; }
  #head p { font-size: 1rem; }
  #give { display: contents; }
  #give > * { order: 2; width: 100%; }
  #give > #photo { order: 0; }
  #get { order: 1; }
  #samples .grid-container { gap: 0.3rem; }
  #samples .caption-label { font-size: 0.65rem; }
}
"""
JS = """() => {
  const shown = (selector) => [...document.querySelectorAll(selector)].find((element) => element.offsetParent);

  // Photographs may be dropped or pasted anywhere on the page, also where another one lies already.
  const give = (place, files, tries = 20) => {
    const input = document.querySelector(`${place} input[type=file]`);
    if (!input) {
      const button = (name) => document.querySelector(`${place} button[aria-label='${name}']`);
      (button("Remove Image") ?? button("Upload file"))?.click();
      if (tries) setTimeout(give, 50, place, files, tries - 1);
      return;
    }
    const given = new DataTransfer();
    files.forEach((file) => given.items.add(file));
    input.files = given.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const taken = (event, data) => {
    const list = data?.files;
    if (!list?.length || event.target.closest?.("input, textarea") && data.types.includes("text/plain")) return;
    event.preventDefault();
    event.stopPropagation();
    const files = [...list];
    if (shown("#photos")) return give("#photos", files);
    if (!shown("#photo")) document.querySelector("button[role=tab]").click();
    give("#photo", files.slice(0, 1));
  };
  document.addEventListener("paste", (event) => taken(event, event.clipboardData), true);
  document.addEventListener("drop", (event) => taken(event, event.dataTransfer), true);
  document.addEventListener("dragover", (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });

  // A picture that the browser does not know, such as a TIFF, and a demo that was started anew: both are said.
  document.addEventListener("error", ({ target }) => {
    if (target.closest?.("#photo")) target.alt = "Your browser cannot show this file.";
  }, true);
  document.addEventListener("load", ({ target }) => {
    if (target.closest?.("#photo")) target.alt = "Your photograph";
  }, true);
  const { app_id: begun, root, api_prefix } = window.gradio_config;
  const check = async () => {
    const now = await fetch(`${root}${api_prefix}/app_id`).then((answer) => answer.json()).catch(() => null);
    if (now?.app_id && now.app_id !== begun) document.querySelector("#head p").textContent =
      "The demo was started anew: please reload the page and give your photograph again.";
  };
  document.addEventListener("visibilitychange", check);
  document.addEventListener("click", check);

  // The divider moves with the arrow keys as well, and both pictures say what they are.
  const move = (handle, step) => {
    const box = handle.firstElementChild.getBoundingClientRect();
    const x = box.x + box.width / 2, y = box.y + box.height / 2;
    const send = (target, type, clientX) =>
      target.dispatchEvent(new MouseEvent(type, { clientX, clientY: y, view: window, bubbles: true }));
    send(handle, "mousedown", x);
    send(window, "mousemove", x + step);
    send(window, "mouseup", x + step);
  };
  const describe = () => {
    document.querySelectorAll("#before-after img").forEach((image, i) => {
      const text = i ? "After: with colours" : "Before: in grey";
      if (image.alt !== text) image.alt = text;
    });
    document.querySelectorAll("#give button.gallery-item").forEach((button) => {
      const name = button.querySelector("img")?.src.match(/([^/]+)\\.\\w+$/)?.[1];
      if (name && !button.ariaLabel) button.ariaLabel = `Example: ${name}`;
    });
    document.querySelectorAll("#photos button[aria-label='common.upload']").forEach((button) => {
      button.ariaLabel = "Add photographs";
    });
    const handle = document.querySelector("#before-after [data-testid=slider]");
    if (!handle || handle.tabIndex === 0) return;
    handle.tabIndex = 0;
    handle.setAttribute("role", "separator");
    handle.setAttribute("aria-label", "Divider between before and after: move it with the arrow keys");
    handle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -24, ArrowRight: 24 }[event.key];
      if (step) { event.preventDefault(); move(handle, step); }
    });
  };
  new MutationObserver(describe).observe(document.body, { childList: true, subtree: true });
  describe();
}"""
LOOK = {"theme": THEME, "css": CSS, "js": JS, "footer_links": ["api", "settings"]}
