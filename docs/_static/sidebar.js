// The tree of pages is scrolled to where the page that is shown can be seen in it.
document.addEventListener("DOMContentLoaded", () => {
  const tree = document.querySelector(".sidebar-scroll");
  const current = [...document.querySelectorAll(".sidebar-tree .current-page")].pop();
  if (!tree || !current) return;
  const [outer, inner] = [tree.getBoundingClientRect(), current.getBoundingClientRect()];
  if (inner.bottom > outer.bottom) tree.scrollTop += inner.top - outer.top - outer.height / 3;
});
