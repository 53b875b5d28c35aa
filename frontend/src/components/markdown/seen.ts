const waiting = new Map<Element, () => Promise<void>>();
let observer: IntersectionObserver | null = null;

/** Does something once, when an element is about to come into sight. Returns how to call it off. */
export function whenSeen(element: Element, act: () => Promise<void>): () => void {
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        const found = waiting.get(target);
        forget(target);
        // What cannot be loaded (no network) is done without: the text stands there as it was written.
        found?.().catch(() => undefined);
      }
    },
    { rootMargin: "600px" },
  );
  waiting.set(element, act);
  observer.observe(element);
  return () => forget(element);
}

function forget(element: Element) {
  waiting.delete(element);
  observer?.unobserve(element);
}
