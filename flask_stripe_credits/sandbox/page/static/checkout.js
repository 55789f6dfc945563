"use strict";

// The page works without this: it only groups digits and keeps a form from being sent twice.

function keepDigits(input, longest, group) {
  input.addEventListener("input", () => {
    const atEnd = input.selectionStart === input.value.length;
    if (!atEnd) return;
    input.value = group(input.value.replace(/\D/g, "").slice(0, longest));
  });
}

function groupNumber(digits) {
  return digits.replace(/(\d{4})(?=\d)/g, "$1 ");
}

function groupExpiry(digits) {
  const padded = /^[2-9]/.test(digits) ? "0" + digits : digits;
  return padded.length > 2 ? padded.slice(0, 2) + " / " + padded.slice(2, 4) : padded;
}

function sendOnce(form) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) {
      event.preventDefault();
      return;
    }
    sent = true;
    const button = event.submitter;
    form.setAttribute("aria-busy", "true");
    if (button && button.dataset.busy) {
      button.dataset.text = button.textContent;
      button.textContent = button.dataset.busy;
    }
  });
  // Coming back with the browser's back button shows the page as it was left.
  window.addEventListener("pageshow", () => {
    sent = false;
    form.removeAttribute("aria-busy");
    for (const button of form.querySelectorAll("button[data-text]")) {
      button.textContent = button.dataset.text;
    }
  });
}

for (const form of document.querySelectorAll("form[data-checkout]")) {
  sendOnce(form);
  const { number, expiry, cvc } = form.elements;
  if (number) keepDigits(number, 19, groupNumber);
  if (expiry) keepDigits(expiry, 4, groupExpiry);
  if (cvc) keepDigits(cvc, 4, (digits) => digits);
  const wrong = form.querySelector("[aria-invalid]") || document.querySelector(".notice");
  if (wrong) wrong.focus();
}
