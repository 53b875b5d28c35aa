import { Button, Group } from "@mantine/core";
import { Component, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Empty } from "@/components/notes";
import { usePageTitle } from "@/components/page";

export function NotFound() {
  const { t } = useTranslation();
  usePageTitle(t("notFound.title"));
  return (
    <Empty
      isPage
      title={t("notFound.title")}
      action={
        <Button component={Link} to="/" mt="sm">
          {t("notFound.home")}
        </Button>
      }
    >
      {t("notFound.text")}
    </Empty>
  );
}

function Broken({ onRetry }: { onRetry: () => void }) {
  const { t } = useTranslation();
  return (
    <Empty
      isPage
      title={t("broken.title")}
      action={
        <Group mt="sm">
          <Button onClick={() => window.location.reload()}>{t("broken.reload")}</Button>
          <Button variant="default" onClick={onRetry}>
            {t("common.tryAgain")}
          </Button>
        </Group>
      }
    >
      {t("broken.text")}
    </Empty>
  );
}

/** What stands in a page's place when the page itself failed, instead of nothing. Drafts are kept elsewhere. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { hasFailed: boolean }> {
  state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  render() {
    if (!this.state.hasFailed) return this.props.children;
    return <Broken onRetry={() => this.setState({ hasFailed: false })} />;
  }
}
