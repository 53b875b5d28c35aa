/** What the server holds of a draft. `revision` rises by one with every save. */
export interface ServerDraft<Content> {
  content: Content;
  revision: number;
  saved_at: string;
}

/** What this device holds: the words, the revision they were written upon, and whether the server has them. */
export interface DeviceDraft<Content> {
  content: Content;
  baseRevision: number;
  changedAt: string;
  isSaved: boolean;
  /** What was sent besides, while nobody knew whether it had arrived. */
  sent?: Content | undefined;
}

export type Reconciled<Content> =
  | { kind: "empty" }
  | { kind: "server"; content: Content; revision: number }
  | { kind: "device"; content: Content; revision: number }
  | { kind: "conflict"; device: DeviceDraft<Content>; server: ServerDraft<Content> };

/** Which words to show when a unit is opened, and whether two versions must be put before the person. */
export function reconcile<Content>(
  server: ServerDraft<Content> | null,
  device: DeviceDraft<Content> | null,
): Reconciled<Content> {
  if (!device) return server ? fromServer(server) : { kind: "empty" };
  if (!server) return { kind: "device", content: device.content, revision: 0 };
  if (device.isSaved || sameContent(device.content, server.content)) return fromServer(server);
  const isOwn = device.sent !== undefined && sameContent(device.sent, server.content);
  if (isOwn || device.baseRevision >= server.revision) {
    return { kind: "device", content: device.content, revision: server.revision };
  }
  return { kind: "conflict", device, server };
}

function fromServer<Content>(server: ServerDraft<Content>): Reconciled<Content> {
  return { kind: "server", content: server.content, revision: server.revision };
}

/** Deep equality of JSON values; the order of an object's keys does not count. */
export function sameContent(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner) =>
    inner && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([x], [y]) => (x < y ? -1 : 1)))
      : inner,
  );
}
