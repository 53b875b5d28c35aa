import { Checkbox, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { campaignsQuery } from "@/lib/queries";

interface ChooseCampaignsProps {
  label: string;
  description?: string;
  error?: string;
  chosen: number[];
  onChange: (ids: number[]) => void;
}

export function ChooseCampaigns({ label, description, error, chosen, onChange }: ChooseCampaignsProps) {
  const campaigns = useQuery(campaignsQuery);
  return (
    <Checkbox.Group
      label={label}
      description={description}
      error={error}
      value={chosen.map(String)}
      onChange={(values) => onChange(values.map(Number))}
    >
      <Stack gap={6} mt="xs" mah="14rem" style={{ overflowY: "auto" }}>
        {campaigns.data?.map((campaign) => (
          <Checkbox key={campaign.id} value={String(campaign.id)} label={campaign.name} />
        ))}
      </Stack>
    </Checkbox.Group>
  );
}
