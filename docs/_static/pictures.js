// A picture that is shown smaller than it is, or wider than its box, opens in full when it is clicked, and a line below says so.
document.addEventListener("DOMContentLoaded", () => {
  const words = document.documentElement.lang === "es" ? "Clic para agrandar" : "Click to enlarge";
  for (const picture of document.querySelectorAll("article :not(a) > img")) {
    const link = Object.assign(document.createElement("a"), {
      className: "enlarge",
      href: picture.src,
      target: "_blank",
      textContent: words,
    });
    picture.after(link);
    const box = picture.closest(".cell_output, figure, p, div");
    const mark = () =>
      picture.classList.toggle("reduced", picture.naturalWidth > picture.clientWidth || picture.clientWidth > box.clientWidth);
    picture.complete ? mark() : picture.addEventListener("load", mark);
    window.addEventListener("resize", mark);
    picture.addEventListener("click", () => picture.classList.contains("reduced") && link.click());
  }
});
