import { Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Dialog } from "@/components/dialog";
import { onSessionChange, sessionRenewed } from "@/lib/api/session";
import type { Me } from "@/lib/api/types";
import { meQuery, useMe } from "@/lib/me";
import { SignInForm } from "./sign-in-form";

const PAUSE_MS = 1500;

/** Opens when the session ended while someone was working: they sign in again and go on where they were. */
export function SignInDialog() {
  const { t } = useTranslation();
  const me = useMe();
  const queryClient = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  useSessionEnd(setOpen);

  function signedIn(user: Me) {
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

/** Tells when the session is over, and when there is one again; in mid-word it waits for a pause. */
function useSessionEnd(tell: (isOver: boolean) => void) {
  const lastKey = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    const tellInPause = () => {
      const left = lastKey.current + PAUSE_MS - Date.now();
      clearTimeout(timer.current);
      if (left <= 0) tell(true);
      else timer.current = setTimeout(tellInPause, left);
    };
    const onKey = () => {
      lastKey.current = Date.now();
    };
    const stop = onSessionChange((isSignedIn) => {
      clearTimeout(timer.current);
      if (isSignedIn) tell(false);
      else tellInPause();
    });
    window.addEventListener("keydown", onKey, true);
    return () => {
      stop();
      clearTimeout(timer.current);
      window.removeEventListener("keydown", onKey, true);
    };
  }, [tell]);
}
