import { Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "@/components/dialog";
import { onSessionChange, sessionRenewed } from "@/lib/api/session";
import type { User } from "@/lib/api/types";
import { meQuery, useMe } from "@/lib/me";
import { SignInForm } from "./sign-in-form";

/** Opens when the session ended while someone was working: they sign in again and go on where they were. */
export function SignInDialog() {
  const { t } = useTranslation();
  const me = useMe();
  const queryClient = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  useEffect(() => onSessionChange((isSignedIn) => setOpen(!isSignedIn)), []);

  function signedIn(user: User) {
    if (user.id !== me.id) {
      window.location.assign("/");
      return;
    }
    queryClient.setQueryData(meQuery.queryKey, user);
    setOpen(false);
    sessionRenewed();
    void queryClient.invalidateQueries();
  }

  if (!isOpen) return null;
  return (
    <Dialog title={t("signIn.againTitle")}>
      <Stack>
        <Text size="sm" c="dimmed">
          {t("signIn.againText")}
        </Text>
        <SignInForm username={me.username} onSignedIn={signedIn} />
      </Stack>
    </Dialog>
  );
}
