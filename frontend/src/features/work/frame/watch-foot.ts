/** Says on the frame how tall its foot is now: what is to stay in sight stands above it. */
export function watchFoot(foot: HTMLElement | null) {
  if (!foot) return;
  const seen = new ResizeObserver(() =>
    foot.parentElement?.style.setProperty("--foot", `${foot.offsetHeight}px`),
  );
  seen.observe(foot);
  return () => seen.disconnect();
}
