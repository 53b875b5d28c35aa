import "./mantine-styles";
import "./styles.css";
import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";
import { queryClient } from "@/lib/api/query";
import { startI18n } from "@/lib/i18n";
import { KindsContext } from "@/lib/kinds";
import { kinds } from "./kinds";
import { Router } from "./router";
import { cssVariables, theme } from "./theme";

await startI18n();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto">
        <QueryClientProvider client={queryClient}>
          <KindsContext value={kinds}>
            <BrowserRouter>
              <Router />
            </BrowserRouter>
          </KindsContext>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
