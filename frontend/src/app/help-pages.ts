import { matchPath } from "react-router";

/** The pages that explain themselves: an address, and the name of its sentences in locales/ under help.pages. */
const PAGES = {
  "/": "home",
  "/account": "account",
  "/guide": "guide",
  "/campaigns": "campaigns",
  "/campaigns/new": "newCampaign",
  "/campaigns/:id": "progress",
  "/campaigns/:id/members": "members",
  "/campaigns/:id/policies": "policiesOf",
  "/campaigns/:id/guidelines": "guidelines",
  "/campaigns/:id/terms": "terms",
  "/campaigns/:id/remarks": "remarks",
  "/campaigns/:id/material": "material",
  "/campaigns/:id/settings": "settings",
  "/campaigns/:id/:tab": "progress",
  "/runs": "runs",
  "/runs/:id": "run",
  "/policies": "policies",
  "/policies/:id": "policy",
  "/snapshots": "snapshots",
} as const;
type Page = (typeof PAGES)[keyof typeof PAGES];

/** Which page this is; null where there is nothing to say, or the work itself says it. */
export function pageOf(pathname: string): Page | null {
  const address = (Object.keys(PAGES) as (keyof typeof PAGES)[]).find((path) => matchPath(path, pathname));
  return address ? PAGES[address] : null;
}
