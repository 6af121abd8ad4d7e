// A picture that is shown smaller than it is opens in full when it is clicked.
document.addEventListener("DOMContentLoaded", () => {
  for (const picture of document.querySelectorAll("article img")) {
    const mark = () => picture.classList.toggle("reduced", picture.naturalWidth > picture.clientWidth);
    picture.complete ? mark() : picture.addEventListener("load", mark);
    window.addEventListener("resize", mark);
    picture.addEventListener("click", () => picture.classList.contains("reduced") && window.open(picture.src));
  }
});
