import { Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { ProblemNote } from "@/components/notes";
import { asProblem } from "@/lib/api/problem";
import type { Me } from "@/lib/api/types";
import { signIn } from "./api";

interface SignInFormProps {
  username?: string;
  onSignedIn: (user: Me) => void;
}

export function SignInForm({ username: known = "", onSignedIn }: SignInFormProps) {
  const { t } = useTranslation();
  const [username, setUsername] = useState(known);
  const [password, setPassword] = useState("");
  const attempt = useMutation({
    mutationFn: signIn,
    onSuccess: onSignedIn,
    // Many sign in at once: whoever asked stays in line.
    retry: (num, error) => asProblem(error).code === "busy" && num < 30,
    retryDelay: () => 1000 + 1000 * Math.random(),
  });

  function submit(event: FormEvent) {
    event.preventDefault();
    attempt.mutate({ username: username.trim(), password });
  }

  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <TextInput
          label={t("signIn.username")}
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          withAsterisk={false}
          size="md"
          value={username}
          onChange={(event) => setUsername(event.currentTarget.value)}
          data-autofocus={known ? undefined : true}
        />
        <PasswordInput
          label={t("signIn.password")}
          name="password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          size="md"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          visibilityToggleButtonProps={{ "aria-label": t("signIn.showPassword") }}
          data-autofocus={known ? true : undefined}
        />
        <ProblemNote error={attempt.error} />
        <Button type="submit" size="md" loading={attempt.isPending} fullWidth>
          {t("signIn.submit")}
        </Button>
      </Stack>
    </form>
  );
}
