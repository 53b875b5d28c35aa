/** One field that the server refused, and why. */
export interface Refusal {
  field: string;
  reason: string;
  code: string;
}

/** Why a request did not succeed. `status` 0: the server was not reached at all. */
export class Problem extends Error {
  readonly status: number;
  readonly errors: Refusal[];
  readonly body: Record<string, unknown>;

  constructor(status: number, body: unknown) {
    const record = isRecord(body) ? body : {};
    super(typeof record.detail === "string" ? record.detail : "");
    this.status = status;
    this.body = record;
    this.errors = Array.isArray(record.errors) ? (record.errors as Refusal[]) : [];
  }

  get code(): string {
    return this.errors[0]?.code ?? "";
  }

  /** True when the same request may well succeed later: no connection, an overloaded or restarting server. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }

  reasonFor(field: string): string | undefined {
    return this.errors.find((refusal) => refusal.field === field)?.reason;
  }
}

export function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem(0, {});
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
