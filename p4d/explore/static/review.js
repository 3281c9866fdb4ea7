// The form of a verdict: shows what a decision needs, sends it, and reports what the server answered.

const NAME = "p4d reviewer";

for (const form of document.querySelectorAll("form.verdict")) {
  const card = form.closest("[data-qa]"), output = form.querySelector("output");
  const because = form.querySelector(".because"), fixing = form.querySelector(".fixing");
  form.annotator.value = localStorage.getItem(NAME) ?? form.annotator.value;
  form.addEventListener("change", () => {
    const decision = form.decision.value;
    fixing.hidden = decision !== "fix";
    because.hidden = decision === "accept" || !decision;
    form.reason.required = !because.hidden;
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const decision = form.decision.value, fixes = decision === "fix";
    localStorage.setItem(NAME, form.annotator.value);
    form.querySelector("button").disabled = true;
    output.className = "";
    output.textContent = "saving";
    try {
      const answer = await fetch("/verdicts", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({
          qa_id: card.dataset.qa,
          decision,
          reason: decision === "accept" ? "" : form.reason.value,
          annotator: form.annotator.value,
          question: fixes ? form.question.value : "",
          answer: fixes ? form.answer.value : "",
        }),
      });
      const found = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
      output.className = answer.ok ? "ok" : "bad";
      output.textContent = answer.ok
        ? `saved: ${found.decision}. The next release applies it.` : found.error;
    } catch {
      output.className = "bad";
      output.textContent = "the explorer does not answer; nothing was saved";
    } finally {
      form.querySelector("button").disabled = false;
    }
  });
}
