import { Button, Group, Tabs } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useParams } from "react-router";
import { Note, ProblemNote, Waiting } from "@/components/notes";
import { Page } from "@/components/page";
import { StateBadge } from "@/components/state-badge";
import { useHasUnsaved, useUnsavedForm } from "@/components/unsaved";
import type { CampaignDetail, CampaignStatus } from "@/lib/api/types";
import { keys } from "@/lib/keys";
import { useKinds } from "@/lib/kinds";
import { may, useMe } from "@/lib/me";
import { campaignQuery } from "@/lib/queries";
import { changeCampaign } from "./api";
import { type CampaignFields, changesOf, fieldsOf } from "./campaign-fields";
import { CampaignForm } from "./campaign-form";
import classes from "./campaigns.module.css";
import { isNew } from "./checklist-entries";
import { ExportSection } from "./export-section";
import { GuidelinesTab } from "./guidelines-tab";
import { ImportTab } from "./import-tab";
import { MembersTab } from "./members-tab";
import { PoliciesTab } from "./policies-tab";
import { ProgressTab } from "./progress-tab";
import { RemarksTab } from "./remarks-tab";
import { TermsTab } from "./terms-tab";

/** Each tab, and the operation that it is for. */
const TABS = {
  progress: "progress",
  members: "members",
  policies: "policies_of_campaign",
  guidelines: "write_guidelines",
  terms: "write_terms",
  remarks: "remarks",
  material: "export",
  settings: "update_campaign",
} as const;
type Tab = keyof typeof TABS;

/** One campaign for those who run it. Trainers see its progress and take exports; admins change it. */
export function CampaignPage() {
  const { t } = useTranslation();
  const me = useMe();
  const navigate = useNavigate();
  const { campaignId, tab } = useParams();
  const id = Number(campaignId);
  const campaign = useQuery(campaignQuery(id));
  const hasUnsaved = useHasUnsaved();
  const kinds = useKinds();

  if (!campaign.data) {
    return (
      <Page title={t("nav.campaigns")}>
        {campaign.isPending && <Waiting lines={4} />}
        <ProblemNote error={campaign.error} retry={() => void campaign.refetch()} />
      </Page>
    );
  }
  const { data } = campaign;
  const shown = (Object.keys(TABS) as Tab[])
    .filter((name) => may(me, TABS[name]))
    .filter((name) => name !== "policies" || kinds[data.kind].does !== "reviews");
  const chosen = shown.find((name) => name === tab) ?? "progress";
  return (
    <Page
      title={data.name}
      note={
        <>
          {t(`kind.${data.kind}`)} · <StateBadge state={data.status} />
          {isNew(data) && chosen !== "progress" && may(me, "update_campaign") && (
            <>
              {" "}
              · <Link to={`/campaigns/${id}`}>{t("checklist.see")}</Link>
            </>
          )}
        </>
      }
      actions={
        data.is_member && (
          <Button component={Link} to={`/annotate/${id}`} variant="default">
            {t("campaigns.workInIt")}
          </Button>
        )
      }
      isWide
    >
      <Tabs
        value={chosen}
        onChange={(name) => void navigate(`/campaigns/${id}/${name}`, { replace: true })}
        keepMounted={false}
      >
        <Tabs.List mb="xl" style={{ overflowX: "auto", flexWrap: "nowrap" }}>
          {shown.map((name) => (
            <Tabs.Tab key={name} value={name} ref={name === chosen ? intoSight : undefined}>
              {t(`campaigns.tab.${name}`)}
              {hasUnsaved(`campaign.${id}.${name}`) && <UnsavedMark />}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="progress">
          <ProgressTab campaign={data} mayOpen={may(me, "update_campaign")} />
        </Tabs.Panel>
        <Tabs.Panel value="members">
          <MembersTab campaign={data} />
        </Tabs.Panel>
        <Tabs.Panel value="policies">
          <PoliciesTab campaign={data} />
        </Tabs.Panel>
        <Tabs.Panel value="guidelines">
          <GuidelinesTab campaign={data} />
        </Tabs.Panel>
        <Tabs.Panel value="terms">
          <TermsTab campaign={data} />
        </Tabs.Panel>
        <Tabs.Panel value="remarks">
          <RemarksTab campaign={data} />
        </Tabs.Panel>
        <Tabs.Panel value="material">
          {may(me, "create_import") && <ImportTab campaign={data} />}
          <ExportSection campaignId={id} />
        </Tabs.Panel>
        <Tabs.Panel value="settings">
          <Settings campaign={data} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

/** On a phone not all tabs have room. */
function intoSight(tab: HTMLElement | null) {
  tab?.scrollIntoView({ block: "nearest", inline: "center" });
}

/** On the tab of a form that is not saved yet. */
function UnsavedMark() {
  const { t } = useTranslation();
  return (
    <span className={classes.unsaved} title={t("unsaved.mark")}>
      <span className="visually-hidden"> ({t("unsaved.mark")})</span>
    </span>
  );
}

function Settings({ campaign }: { campaign: CampaignDetail }) {
  const kinds = useKinds();
  const queryClient = useQueryClient();
  const form = useUnsavedForm(`campaign.${campaign.id}.settings`, fieldsOf(campaign, campaign.language));
  const saving = useMutation({
    mutationFn: ({ fields }: { fields: CampaignFields; was: CampaignStatus }) =>
      changeCampaign(campaign.id, changesOf(fields, kinds[fields.kind])),
    onSuccess: (changed, { fields }) => {
      form.settle(fields, fieldsOf(changed, changed.language));
      queryClient.setQueryData(campaignQuery(campaign.id).queryKey, changed);
      void queryClient.invalidateQueries({ queryKey: keys.campaigns });
    },
  });
  const save = (fields: CampaignFields) => saving.mutate({ fields, was: campaign.status });
  return (
    <CampaignForm
      form={form}
      isNew={false}
      error={saving.error}
      isPending={saving.isPending}
      saved={
        saving.isSuccess && (
          <SavedNote
            status={campaign.status}
            was={saving.variables.was}
            isPending={saving.isPending}
            onUndo={(status) => {
              form.change({ status });
              save({ ...form.fields, status });
            }}
          />
        )
      }
      onSubmit={save}
    />
  );
}

interface SavedNoteProps {
  status: CampaignStatus;
  was: CampaignStatus;
  isPending: boolean;
  onUndo: (status: CampaignStatus) => void;
}

/** That it is saved; and where that has put a stop to the work, what that means and the way back. */
function SavedNote({ status, was, isPending, onUndo }: SavedNoteProps) {
  const { t } = useTranslation();
  const hasStopped = status !== "open" && was !== status;
  return (
    <Note look="success">
      {hasStopped ? (
        <Group gap="sm">
          {t(status === "closed" ? "campaigns.closedNow" : "campaigns.pausedNow")}
          <Button size="compact-sm" variant="default" loading={isPending} onClick={() => onUndo(was)}>
            {t("common.undo")}
          </Button>
        </Group>
      ) : (
        t("common.saved")
      )}
    </Note>
  );
}
