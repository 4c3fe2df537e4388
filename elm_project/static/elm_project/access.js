/* The admin package has controls that only a mouse reaches, icons that are read aloud as words, and a dialog that takes
   no focus. All of it is mended here, in pages and in whatever arrives later. The words come from #access-words. */
(() => {
  "use strict";

  const NATIVE = "a[href], button, input, select, textarea, summary";
  const ICON = ".material-symbols-outlined";
  const FOCUSABLE = "a[href], button:not([disabled]), input:not([type=hidden]), select, textarea, [tabindex='0']";
  const words = () => document.getElementById("access-words")?.dataset ?? {};
  const within = (root, selector) => [...(root.matches?.(selector) ? [root] : []), ...root.querySelectorAll(selector)];

  function textOf(element) {
    const copy = element.cloneNode(true);
    copy.querySelectorAll(ICON).forEach((icon) => icon.remove());
    return copy.matches(ICON) ? "" : copy.textContent.trim();
  }

  function named(control) {
    if (textOf(control) || control.hasAttribute("aria-label") || control.title) {
      return;
    }
    const icon = control.matches(ICON) ? control : control.querySelector(ICON);
    const name = icon?.textContent.trim();
    if (name) {
      const key = name.replace(/_(\w)/g, (_all, letter) => letter.toUpperCase());
      control.setAttribute("aria-label", words()[key] ?? name.replaceAll("_", " "));
    }
  }

  function reachable(control) {
    control.setAttribute("role", "button");
    control.setAttribute("tabindex", "0");
    control.addEventListener("keydown", (event) => {
      if (event.target === control && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        control.click();
      }
    });
  }

  function mend(root) {
    for (const control of within(root, "[x-on\\:click]")) {
      const isBackdrop = control.id === "changelist-filter-close"; // Escape does the same
      if (!isBackdrop && !control.matches(NATIVE) && !control.hasAttribute("role")) {
        reachable(control);
      }
    }
    within(root, "a, button, [role=button]").forEach(named);
    for (const icon of within(root, ICON)) {
      if (!icon.matches("[role=button]")) {
        icon.setAttribute("aria-hidden", "true");
      }
    }
    for (const place of within(root, "#nav-sidebar a.active, #tabs-items a.active")) {
      place.setAttribute("aria-current", "page");
    }
    for (const wide of within(root, ".overflow-x-auto")) {
      if (wide.scrollWidth > wide.clientWidth && !wide.querySelector(FOCUSABLE)) {
        wide.setAttribute("tabindex", "0"); // the arrow keys scroll it
      }
    }
    within(root, "div[title]:not([role])").forEach((sign) => {
      if (!textOf(sign)) {
        sign.setAttribute("role", "img"); // yes, no and unknown, drawn in lists
        sign.setAttribute("aria-label", sign.title);
      }
    });
  }

  /* The dialog: the focus goes in, stays in, and comes back to the button that opened it. */
  let opener = null;

  function enter(dialog) {
    dialog.setAttribute("role", "dialog");
    dialog.setAttribute("aria-modal", "true");
    dialog.setAttribute("aria-label", dialog.querySelector("h1")?.textContent.trim() || document.title);
    const fields = within(dialog, "input:not([type=hidden]), select, textarea");
    (fields[0] ?? dialog.querySelector("button"))?.focus();
  }

  function keepIn(dialog, event) {
    const places = within(dialog, FOCUSABLE).filter((place) => place.offsetParent !== null);
    const edge = event.shiftKey ? places[0] : places.at(-1);
    if (event.key === "Tab" && (document.activeElement === edge || !dialog.contains(document.activeElement))) {
      event.preventDefault();
      (event.shiftKey ? places.at(-1) : places[0])?.focus();
    }
  }

  function watch(dialog) {
    const isOpen = () => dialog.offsetParent !== null && dialog.childElementCount > 0;
    let was = false;
    const look = () => {
      if (isOpen() && !was) {
        enter(dialog);
      } else if (!isOpen() && was) {
        opener?.focus();
      }
      was = isOpen();
    };
    new MutationObserver(look).observe(dialog.parentElement, { attributes: true, subtree: true, childList: true });
    document.addEventListener("keydown", (event) => isOpen() && keepIn(dialog, event));
    document.addEventListener("htmx:beforeRequest", (event) => {
      if (event.detail.target === dialog) {
        opener = event.detail.elt;
      }
    });
  }

  document.addEventListener("alpine:initialized", () => {
    mend(document.body);
    const dialog = document.getElementById("modal-content");
    if (dialog) {
      watch(dialog);
    }
  });
  document.addEventListener("htmx:load", (event) => mend(event.detail.elt));
})();
