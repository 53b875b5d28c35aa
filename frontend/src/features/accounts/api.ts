import { api, bodyOf } from "@/lib/api/client";
import type { components } from "@/lib/api/schema";

export const signIn = (body: { username: string; password: string }) =>
  bodyOf(api.POST("/api/session", { body }));

export const signOut = () => api.DELETE("/api/session");

export const signOutEverywhere = () => api.DELETE("/api/sessions");

export const changeMe = (body: components["schemas"]["PatchedProfileChangesRequest"]) =>
  bodyOf(api.PATCH("/api/me", { body }));

export const listTokens = () => bodyOf(api.GET("/api/tokens"));

export const makeToken = (body: { name: string; days: number }) => bodyOf(api.POST("/api/tokens", { body }));

export const dropToken = (token_id: string) =>
  api.DELETE("/api/tokens/{token_id}", { params: { path: { token_id } } });

export const changePassword = (body: { old_password: string; new_password: string }) =>
  api.POST("/api/password", { body });
