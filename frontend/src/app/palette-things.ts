import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { api, bodyOf } from "@/lib/api/client";
import { keys } from "@/lib/keys";
import { may, useMe } from "@/lib/me";
import {
  campaignsQuery,
  NEWEST,
  policiesQuery,
  rewardModelsQuery,
  snapshotsQuery,
  usersQuery,
} from "@/lib/queries";

export interface Found {
  key: string;
  name: string;
  /** What kind of thing it is. */
  about: string;
  keys: string;
  run: () => void;
}

// What was read a moment ago is good enough to find a name in.
const RECENT = { staleTime: 60_000 };

const runsToFind = {
  queryKey: keys.newestRuns,
  queryFn: async () => (await bodyOf(api.GET("/api/runs", { params: { query: { limit: NEWEST } } }))).results,
  ...RECENT,
};

/** What can be opened by its name: campaigns, runs, policies, snapshots, people, each for those who may see them. */
export function useThings(asked: string): Found[] {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const me = useMe();
  const search = useDebouncedValue(asked.trim(), 200)[0];
  const campaigns = useQuery(campaignsQuery).data ?? [];
  const runs = useQuery({ ...runsToFind, enabled: may(me, "runs") }).data ?? [];
  const policies = useQuery({ ...policiesQuery, ...RECENT, enabled: may(me, "policy_versions") }).data ?? [];
  const models = useQuery({ ...rewardModelsQuery, ...RECENT, enabled: may(me, "reward_models") }).data ?? [];
  const snapshots = useQuery({ ...snapshotsQuery, ...RECENT, enabled: may(me, "snapshots") }).data ?? [];
  const people =
    useQuery({ ...usersQuery(search), enabled: may(me, "users") && search.length > 0 }).data ?? [];

  const thing = (key: string, name: string, about: string, to: string): Found => ({
    key,
    name,
    about,
    keys: "",
    run: () => void navigate(to),
  });
  return [
    ...campaigns
      .filter((campaign) => campaign.is_member)
      .map(({ id, name }) => thing(`work.${id}`, name, t("nav.work"), `/annotate/${id}`)),
    ...(may(me, "progress") ? campaigns : []).map(({ id, name }) =>
      thing(`campaign.${id}`, name, t("palette.campaign"), `/campaigns/${id}`),
    ),
    ...runs.map(({ id, name, kind }) =>
      thing(`run.${id}`, name, t("palette.run", { kind: t(`runs.kinds.${kind}`) }), `/runs/${id}`),
    ),
    ...policies.map(({ id, name }) => thing(`policy.${id}`, name, t("palette.policy"), `/policies/${id}`)),
    ...models.map(({ id, name, run }) =>
      thing(`model.${id}`, name, t("palette.rewardModel"), `/runs/${run}`),
    ),
    ...snapshots.map(({ id, name }) => thing(`snapshot.${id}`, name, t("palette.snapshot"), "/snapshots")),
    ...people.map(({ id, name, username }) => ({
      ...thing(`person.${id}`, name ? `${name} (${username})` : username, t("palette.person"), ""),
      // People have their page in the site administration.
      run: () => window.location.assign(`/admin/accounts/user/${id}/change/`),
    })),
  ];
}
