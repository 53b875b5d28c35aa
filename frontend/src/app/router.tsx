import { lazy, Suspense } from "react";
import { Route, Routes } from "react-router";
import { SignInPage } from "@/features/accounts/sign-in-page";
import { HomePage } from "@/features/home/home-page";
import { ErrorBoundary, NotFound } from "./error-page";
import { Shell } from "./shell";
import { workKinds } from "./work-kinds";

const WorkPage = lazy(() =>
  import("@/features/assignments/work-page").then((m) => ({ default: m.WorkPage })),
);
const AccountPage = lazy(() =>
  import("@/features/accounts/account-page").then((m) => ({ default: m.AccountPage })),
);
const CampaignsPage = lazy(() =>
  import("@/features/campaigns/campaigns-page").then((m) => ({ default: m.CampaignsPage })),
);
const NewCampaignPage = lazy(() =>
  import("@/features/campaigns/new-campaign-page").then((m) => ({ default: m.NewCampaignPage })),
);
const CampaignPage = lazy(() =>
  import("@/features/campaigns/campaign-page").then((m) => ({ default: m.CampaignPage })),
);
const RunsPage = lazy(() => import("@/features/runs/runs-page").then((m) => ({ default: m.RunsPage })));
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

/** Every address of the browser. Pages beyond the annotator's way load their own part. */
export function Router() {
  return (
    <ErrorBoundary>
      <Suspense fallback={null}>
        <Routes>
          <Route path="/sign-in" element={<SignInPage />} />
          <Route element={<Shell />}>
            <Route index element={<HomePage />} />
            <Route path="/annotate/:campaignId" element={<WorkPage kinds={workKinds} />} />
            <Route path="/account" element={<AccountPage />} />
            <Route path="/campaigns" element={<CampaignsPage />} />
            <Route path="/campaigns/new" element={<NewCampaignPage />} />
            <Route path="/campaigns/:campaignId/:tab?" element={<CampaignPage />} />
            <Route path="/runs" element={<RunsPage />} />
            <Route path="/runs/:runId" element={<RunPage />} />
            <Route path="/policies" element={<PoliciesPage />} />
            <Route path="/policies/:policyId" element={<PolicyPage />} />
            <Route path="/snapshots" element={<SnapshotsPage />} />
            <Route path="*" element={<NotFound />} />
          </Route>
        </Routes>
      </Suspense>
    </ErrorBoundary>
  );
}
