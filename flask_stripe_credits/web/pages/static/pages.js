"use strict";

// A form that was sent is not sent again, unless the browser brings the page back.
for (const form of document.querySelectorAll("form[data-fsc-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.fscSent) event.preventDefault();
    form.dataset.fscSent = "yes";
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
  });
}
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
