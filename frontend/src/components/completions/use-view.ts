import { useCallback, useRef, useState } from "react";

export type Layout = "list" | "columns";
const STORED = "parley.ranking.layout";

/** How long texts are looked at: layout, folding, focus on one, differences from one. Nothing of it is handed in. */
export function useView() {
  const [layout, setLayout] = useState<Layout>(() =>
    localStorage.getItem(STORED) === "columns" ? "columns" : "list",
  );
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const [isFocused, setFocused] = useState(false);
  const [base, setBase] = useState<number | null>(null);
  const [scrollsTogether, setScrollsTogether] = useState(true);
  const [isRaw, setRaw] = useState(false);

  function choose(next: Layout) {
    localStorage.setItem(STORED, next);
    setLayout(next);
    setFocused(false);
  }
  const fold = useCallback((id: number) => {
    setFolded((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);

  return {
    layout,
    choose,
    folded,
    fold,
    foldAll: (ids: number[]) => setFolded((before) => new Set(before.size ? [] : ids)),
    isFocused,
    toggleFocus: () => setFocused(!isFocused),
    base,
    toggleBase: (id: number) => setBase(base === null ? id : null),
    scrollsTogether,
    toggleTogether: () => setScrollsTogether(!scrollsTogether),
    isRaw,
    toggleRaw: () => setRaw(!isRaw),
  };
}

export type View = ReturnType<typeof useView>;

const FOLLOWS_MS = 150;

/** For the columns' scroll events: the others follow the one that a person scrolls, each by its own length. */
export function useScrollTogether(isOn: boolean) {
  const leader = useRef<{ element: Element; until: number } | null>(null);
  return (event: React.UIEvent<HTMLElement>) => {
    const scrolled = event.target as HTMLElement;
    if (!isOn || !scrolled.matches("[data-scrolls]")) return;
    const now = performance.now();
    const led = leader.current;
    // What followed reports its own scrolling too.
    if (led && led.element !== scrolled && now < led.until) return;
    leader.current = { element: scrolled, until: now + FOLLOWS_MS };
    const share = scrolled.scrollTop / Math.max(1, scrolled.scrollHeight - scrolled.clientHeight);
    for (const other of event.currentTarget.querySelectorAll<HTMLElement>("[data-scrolls]")) {
      if (other !== scrolled) other.scrollTop = share * (other.scrollHeight - other.clientHeight);
    }
  };
}
