// What pages do beyond links and forms. Every page can be read without it.
(() => {
  const on = (event, selector, act) =>
    document.addEventListener(event, (happened) => {
      const found = happened.target instanceof Element && happened.target.closest(selector);
      if (found) act(found, happened);
    });

  on("click", "[data-copy]", async (button) => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
  });
  on("click", "[data-back]", () => history.back());
  on("click", "[data-reload]", () => location.reload());

  // A box that ticks all of its table, and a button that knows how many are ticked.
  const count = (form) => {
    const boxes = [...form.querySelectorAll("input[data-one]")];
    const ticked = boxes.filter((box) => box.checked).length;
    for (const all of form.querySelectorAll("input[data-all]")) {
      all.checked = ticked > 0 && ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
    }
    for (const told of form.querySelectorAll("[data-count]")) told.textContent = ticked ? ` (${ticked})` : "";
    for (const needs of form.querySelectorAll("[data-needs-one]")) needs.disabled = ticked === 0;
  };
  on("change", "input[data-all]", (all) => {
    for (const box of all.form.querySelectorAll("input[data-one]")) box.checked = all.checked;
    count(all.form);
  });
  on("change", "input[data-one]", (box) => count(box.form));
  const countAll = () => document.querySelectorAll("form:has(input[data-all])").forEach(count);
  countAll();
  document.addEventListener("htmx:after:swap", countAll);

  // The button of a form that asks for a name stays shut until it is typed.
  on("input", "input[data-must-be]", (field) => {
    for (const button of field.form.querySelectorAll("button[type=submit]")) {
      button.disabled = field.value !== field.dataset.mustBe;
    }
  });
  for (const field of document.querySelectorAll("input[data-must-be]")) field.dispatchEvent(new Event("input", { bubbles: true }));

  // A small file goes into a hidden field of its form, in base64: forms are sent as text.
  on("change", "input[type=file][data-into]", async (chooser) => {
    const [file] = chooser.files;
    const most = Number(chooser.dataset.most);
    chooser.setCustomValidity(file && file.size > most ? `It has ${file.size} bytes; ${most} are allowed.` : "");
    const read = new FileReader();
    read.addEventListener("load", () => (chooser.form.elements[chooser.dataset.into].value = read.result.split(",")[1]));
    if (file && chooser.reportValidity()) read.readAsDataURL(file);
  });

  // A form that changes something is sent once, however often it is clicked.
  document.addEventListener("submit", (happened) => {
    const form = happened.target;
    if (form.method !== "post" || form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) return happened.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, 10000);
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));

  // A request that finds no registry says so; the next that does takes it back.
  const lost = document.getElementById("lost");
  document.addEventListener("htmx:error", () => lost && (lost.hidden = false));
  document.addEventListener("htmx:before:response", () => lost && (lost.hidden = true));

  // "/" goes to the search, as people are used to.
  document.addEventListener("keydown", (pressed) => {
    if (pressed.key !== "/" || pressed.ctrlKey || pressed.metaKey || /^(INPUT|TEXTAREA|SELECT)$/.test(pressed.target.tagName)) return;
    const search = document.querySelector("input[type=search]");
    if (search) { pressed.preventDefault(); search.focus(); }
  });
})();
