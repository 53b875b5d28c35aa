import { Link } from "react-router";

/** Campaigns by name, one below the other, each leading to its page. */
export function CampaignLinks({ campaigns }: { campaigns: { id: number; name: string }[] }) {
  return campaigns.map(({ id, name }) => (
    <div key={id}>
      <Link to={`/campaigns/${id}`}>
        <bdi>{name}</bdi>
      </Link>
    </div>
  ));
}
