// Fetches the lineage of a clip after its page, as it is slower than the rest.

for (const place of document.querySelectorAll("[data-lineage]")) {
  const answer = await fetch(place.dataset.lineage);
  if (answer.ok) place.innerHTML = await answer.text(); // escaped by the server
}
