import { lazy, Suspense } from "react";
import { Outlet, Route, Routes } from "react-router";
import { SignInPage } from "@/features/accounts/sign-in-page";
import { HomePage } from "@/features/home/home-page";
import type { Operation } from "@/lib/api/types";
import { may, useMe } from "@/lib/me";
import { AREAS } from "./areas";
import { ErrorBoundary, NotFound } from "./error-page";
import { Shell } from "./shell";

const WorkPage = lazy(() => import("@/features/work/frame/work-page").then((m) => ({ default: m.WorkPage })));
const PracticePage = lazy(() =>
  import("@/features/work/frame/practice-page").then((m) => ({ default: m.PracticePage })),
);
const AccountPage = lazy(() =>
  import("@/features/accounts/account-page").then((m) => ({ default: m.AccountPage })),
);
const GuidePage = lazy(() => import("@/features/guide/guide-page").then((m) => ({ default: m.GuidePage })));
const CampaignsPage = lazy(() =>
  import("@/features/campaigns/campaigns-page").then((m) => ({ default: m.CampaignsPage })),
);
const NewCampaignPage = lazy(() =>
  import("@/features/campaigns/new-campaign-page").then((m) => ({ default: m.NewCampaignPage })),
);
const CampaignPage = lazy(() =>
  import("@/features/campaigns/campaign-page").then((m) => ({ default: m.CampaignPage })),
);
/** Rounds are a feature of their own; they stand on the page of runs. */
const RunsPage = lazy(async () => {
  const [{ RunsPage: Runs }, { Rounds }, { Schedules }, { StartRound }] = await Promise.all([
    import("@/features/runs/runs-page"),
    import("@/features/rounds/rounds"),
    import("@/features/rounds/schedules"),
    import("@/features/rounds/start-round"),
  ]);
  return {
    default: () => <Runs rounds={<Rounds />} schedules={<Schedules />} startRound={<StartRound />} />,
  };
});
const RunPage = lazy(() => import("@/features/runs/run-page").then((m) => ({ default: m.RunPage })));
const PoliciesPage = lazy(() =>
  import("@/features/policies/policies-page").then((m) => ({ default: m.PoliciesPage })),
);
const PolicyPage = lazy(() =>
  import("@/features/policies/policy-page").then((m) => ({ default: m.PolicyPage })),
);
const SnapshotsPage = lazy(() =>
  import("@/features/snapshots/snapshots-page").then((m) => ({ default: m.SnapshotsPage })),
);

/** The pages of each part of the menu. */
const PAGES = {
  "/campaigns": (
    <>
      <Route index element={<CampaignsPage />} />
      <Route path=":campaignId/:tab?" element={<CampaignPage />} />
    </>
  ),
  "/runs": (
    <>
      <Route index element={<RunsPage />} />
      <Route path=":runId" element={<RunPage />} />
    </>
  ),
  "/policies": (
    <>
      <Route index element={<PoliciesPage />} />
      <Route path=":policyId" element={<PolicyPage />} />
    </>
  ),
  "/snapshots": <Route index element={<SnapshotsPage />} />,
};

/** A page that is not for whoever is signed in is none. */
function OnlyWho({ may: operation }: { may: Operation }) {
  return may(useMe(), operation) ? <Outlet /> : <NotFound />;
}

/** Every address of the browser. Pages beyond the annotator's way load their own part. */
export function Router() {
  return (
    <ErrorBoundary>
      <Suspense fallback={null}>
        <Routes>
          <Route path="/sign-in" element={<SignInPage />} />
          <Route element={<Shell />}>
            <Route index element={<HomePage />} />
            <Route path="/guide" element={<GuidePage />} />
            <Route path="/account" element={<AccountPage />} />
            <Route element={<OnlyWho may="lease_next_assignment" />}>
              <Route path="/annotate/:campaignId" element={<WorkPage />} />
              <Route path="/practice/:kind" element={<PracticePage />} />
            </Route>
            <Route element={<OnlyWho may="create_campaign" />}>
              <Route path="/campaigns/new" element={<NewCampaignPage />} />
            </Route>
            {AREAS.map(({ to, needs }) => (
              <Route key={to} path={to} element={<OnlyWho may={needs} />}>
                {PAGES[to]}
              </Route>
            ))}
            <Route path="*" element={<NotFound />} />
          </Route>
        </Routes>
      </Suspense>
    </ErrorBoundary>
  );
}
