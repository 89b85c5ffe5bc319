"""The look of the page, and its JavaScript for drag and drop, the clipboard, the keyboard and screen readers."""

import gradio as gr

HEADER = """<header id="head"><h1>colorgan</h1>
<p>Add a black-and-white photograph: it is coloured at once.</p></header>"""
THEME = gr.themes.Default(
    primary_hue="teal",
    neutral_hue="stone",
    radius_size="lg",
    font=["ui-sans-serif", "system-ui", "sans-serif"],  # fonts of the visitor's system: nothing is downloaded
    font_mono=["ui-monospace", "monospace"],
).set(
    body_background_fill="*neutral_100",
    body_text_color_subdued="*neutral_600",  # Gradio's default has too little contrast
    block_info_text_color="*neutral_600",
    block_shadow="none",
    block_shadow_dark="none",
    button_primary_background_fill="*primary_700",  # the contrast with white text is more than 4.5
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
progress { width: 100%; height: 0.6rem; appearance: none; border: 0; border-radius: 1rem; overflow: hidden; }
progress, progress::-webkit-progress-bar { background: var(--neutral-300); }
progress::-webkit-progress-value { background: var(--primary-600); }
progress::-moz-progress-bar { background: var(--primary-600); }
#photo .source-selection { position: relative; z-index: 2; }  /* otherwise the camera's panel covers it */
#photo img { line-height: 11rem; text-align: center; }  /* of the text that replaces an unknown format */
button[role=tab][aria-selected=true] { color: var(--link-text-color); }
#inputs .label { color: var(--body-text-color-subdued); }
#results button { overflow-wrap: anywhere; }  /* a file name may be long */
input:is([type=range], [type=radio]):focus-visible { outline: 2px solid var(--primary-600); outline-offset: 2px; }
.model { border-top: 1px solid var(--border-color-primary); padding-top: 0.8rem; }
.model table { display: block; overflow-x: auto; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
.model table, .model table * { border: 0 !important; box-shadow: none !important; }
.model table :is(th, td) { padding: 0.25rem 0.9rem 0.25rem 0 !important; white-space: nowrap; }
.model tbody td { border-top: 1px solid var(--border-color-primary) !important; }
@media (max-width: 700px) {  /* on a phone: photograph, result, examples */
  #head h1 { font-size: 1.9rem; }
  #head p { font-size: 1rem; }
  .tab-container button { padding: 0 8px; }  /* five tabs fit into 390 pixels */
  #inputs { display: contents; }
  #inputs > * { order: 2; width: 100%; }
  #inputs > #photo { order: 0; }
  #results { order: 1; }
  #samples .grid-container { gap: 0.3rem; }
  #samples .caption-label { font-size: 0.65rem; }
}
"""
JS = """() => {
  const visible = (selector) => [...document.querySelectorAll(selector)].find((element) => element.offsetParent);

  // Photographs and films can be dropped or pasted anywhere on the page, also when there is one already.
  const addFiles = (place, files, tries = 200) => {
    const input = document.querySelector(`${place} input[type=file]`);
    if (!input) {
      const button = (name) => document.querySelector(`${place} button[aria-label='${name}']`);
      (button("Remove Image") ?? button("Upload file") ?? button("Clear"))?.click();
      if (tries) setTimeout(addFiles, 50, place, files, tries - 1);
      return;
    }
    const transfer = new DataTransfer();
    files.forEach((file) => transfer.items.add(file));
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const acceptFiles = (event, data) => {
    const list = data?.files;
    // text with a picture, as from a spreadsheet, is pasted as text into a text field
    if (!list?.length || event.target.closest?.("input, textarea") && data.types.includes("text/plain")) return;
    event.preventDefault();
    event.stopPropagation();
    const files = [...list], reference = event.target.closest?.("#reference, #album-reference, #film-reference");
    if (reference) return addFiles(`#${reference.id}`, files.slice(0, 1));
    if (visible("#photos")) return addFiles("#photos", files);
    if (visible("#film")) return addFiles("#film", files.slice(0, 1));
    if (!visible("#photo")) document.querySelector("button[role=tab]").click();
    addFiles("#photo", files.slice(0, 1));
  };
  document.addEventListener("paste", (event) => acceptFiles(event, event.clipboardData), true);
  document.addEventListener("drop", (event) => acceptFiles(event, event.dataTransfer), true);
  document.addEventListener("dragover", (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });

  // Say when the browser cannot show the file, such as a TIFF, and when the demo was restarted.
  document.addEventListener("error", ({ target }) => {
    if (target.closest?.("#photo")) target.alt = "Your browser cannot show this file.";
  }, true);
  document.addEventListener("load", ({ target }) => {
    if (target.closest?.("#photo")) target.alt = "Your photograph";
  }, true);
  const { app_id: appId, root, api_prefix } = window.gradio_config;
  const checkRestart = async () => {
    const current = await fetch(`${root}${api_prefix}/app_id`).then((answer) => answer.json()).catch(() => null);
    if (current?.app_id && current.app_id !== appId) document.querySelector("#head p").textContent =
      "The demo was restarted: please reload the page and upload your photograph again.";
  };
  document.addEventListener("visibilitychange", checkRestart);
  document.addEventListener("click", checkRestart);

  // The arrow keys move the divider, and both pictures and all buttons have names for screen readers.
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
    document.querySelectorAll("#inputs button.gallery-item").forEach((button) => {
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
LAUNCH_OPTIONS = {"theme": THEME, "css": CSS, "js": JS, "footer_links": ["api", "settings"]}
