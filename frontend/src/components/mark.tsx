/** Parley's mark: two turns of one dialogue. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="#3f50a8" />
      <path d="M7 8.500h13a2 2 0 0 1 2 2v2a2 2 0 0 1-2 2h-8.500L7 18z" fill="#fff" />
      <path d="M25 14.500v9l-4.500-3.500H12a2 2 0 0 1-2-2v-.6h11.300a3 3 0 0 0 3-2.900z" fill="#bfc8ec" />
    </svg>
  );
}
