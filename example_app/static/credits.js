"use strict";

const API = "/api/v1/billing/credits";
const WATCH_MILLISECONDS = 60_000;

// Buying: ask the API for a payment page and go there.

async function buy(button) {
  const error = button.parentElement.querySelector("[role=alert]");
  error.hidden = true;
  button.disabled = true;
  try {
    location.assign(await openCheckout(button.dataset.buy));
  } catch (problem) {
    error.textContent = problem.message;
    error.hidden = false;
    button.disabled = false;
  }
}

async function openCheckout(packageCode) {
  const response = await fetch(`${API}/purchase`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content,
    },
    body: JSON.stringify({ package_code: packageCode }),
  }).catch(() => {
    throw new Error("The server can't be reached. Nothing was bought; please try again.");
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer.checkout_url;
  if (response.status === 401) throw new Error("You are logged out. Log in and try again.");
  throw new Error(answer.detail || `The purchase could not be started (${response.status}).`);
}

// Waiting: ask the API how the purchase stands, and show the page anew once that has changed.
// What it says about the purchase comes from the server alone.

async function watch(section) {
  const waiting = section.querySelector("[data-waiting]");
  waiting.hidden = false;
  const deadline = Date.now() + WATCH_MILLISECONDS;
  for (let pause = 1000; Date.now() < deadline; pause = Math.min(pause * 1.5, 5000)) {
    if ((await currentStatus(section.dataset.watch)) !== section.dataset.status) {
      location.reload();
      return;
    }
    await new Promise((done) => setTimeout(done, pause));
  }
  waiting.hidden = true;
  section.querySelector("[data-late]").hidden = false;

  async function currentStatus(purchaseId) {
    try {
      const response = await fetch(`${API}/purchases/${encodeURIComponent(purchaseId)}`);
      return response.ok ? (await response.json()).status : section.dataset.status;
    } catch {
      return section.dataset.status;
    }
  }
}

for (const button of document.querySelectorAll("[data-buy]")) {
  button.addEventListener("click", () => buy(button));
}
for (const section of document.querySelectorAll("[data-watch]")) {
  watch(section);
}
// A page that the browser kept while its owner was at the payment page may be out of date.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
