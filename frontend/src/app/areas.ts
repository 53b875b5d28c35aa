/** The parts of the menu beyond one's own work, and the operation that each is for: without it there is no page. */
export const AREAS = [
  { to: "/campaigns", label: "nav.campaigns", needs: "progress" },
  { to: "/runs", label: "nav.runs", needs: "runs" },
  { to: "/policies", label: "nav.policies", needs: "policy_versions" },
  { to: "/snapshots", label: "nav.snapshots", needs: "snapshots" },
] as const;
