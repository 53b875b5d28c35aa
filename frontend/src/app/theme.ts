import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

// One neutral scale (warm in light, near-black in dark) and one accent, an ink blue. Contrast is AA on every state.
const ink: MantineColorsTuple = [
  "#eff1fa",
  "#dfe3f5",
  "#bfc8ec",
  "#a9b4ee",
  "#8997e2",
  "#6a7ad0",
  "#5566c4",
  "#3f50a8",
  "#35448f",
  "#2b3774",
];
const gray: MantineColorsTuple = [
  "#faf9f7",
  "#f4f2ee",
  "#eae7e1",
  "#dedad2",
  "#c8c3b9",
  "#958f84",
  "#716b62",
  "#5a554c",
  "#3d3a34",
  "#24221f",
];
const dark: MantineColorsTuple = [
  "#e8e6e1",
  "#c9c6bf",
  "#aaa69e",
  "#85817a",
  "#3d3d43",
  "#303035",
  "#212125",
  "#161619",
  "#101012",
  "#0b0b0d",
];

export const theme = createTheme({
  primaryColor: "ink",
  primaryShade: { light: 7, dark: 6 },
  colors: { ink, gray, dark },
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace:
    'ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  headings: {
    fontWeight: "600",
    sizes: {
      h1: { fontSize: "1.5rem", lineHeight: "1.3" },
      h2: { fontSize: "1.125rem", lineHeight: "1.4" },
      h3: { fontSize: "1rem" },
    },
  },
  fontSizes: { xs: "0.8125rem", sm: "0.875rem", md: "1rem", lg: "1.125rem", xl: "1.25rem" },
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  focusRing: "auto",
});

export const cssVariables: CSSVariablesResolver = () => ({
  variables: { "--measure": "42rem", "--reading-size": "1.0625rem", "--bar-height": "3.5rem" },
  light: {
    "--mantine-color-body": gray[0],
    "--mantine-color-text": gray[9],
    "--mantine-color-dimmed": gray[7],
    "--mantine-color-placeholder": gray[6],
    "--mantine-color-error": "#b3261e",
    "--mantine-color-default-border": gray[4],
    "--text": gray[9],
    "--quiet": gray[7],
    "--raised": "#ffffff",
    "--sunken": gray[1],
    "--line": gray[2],
    "--line-strong": gray[4],
    "--accent": ink[7],
    "--accent-soft": ink[0],
    "--success": "#1b6e45",
    "--caution": "#855300",
    "--danger": "#b3261e",
  },
  dark: {
    "--mantine-color-body": dark[7],
    "--mantine-color-text": dark[0],
    "--mantine-color-dimmed": dark[2],
    "--mantine-color-placeholder": "#96928a",
    "--mantine-color-error": "#f0938b",
    "--mantine-color-default-border": dark[4],
    "--text": dark[0],
    "--quiet": dark[2],
    "--raised": "#1d1d21",
    "--sunken": "#26262b",
    "--line": "#2b2b30",
    "--line-strong": "#45454c",
    "--accent": ink[3],
    "--accent-soft": "#252a45",
    "--success": "#7fcfa3",
    "--caution": "#e3b765",
    "--danger": "#f0938b",
  },
});
