import { api, bodyOf, cookie } from "@/lib/api/client";
import { asProblem, Problem } from "@/lib/api/problem";
import type { components } from "@/lib/api/schema";
import type { Import } from "@/lib/api/types";

type Schemas = components["schemas"];
export type NewCampaign = Schemas["NewCampaignRequest"];
export type CampaignChanges = Schemas["PatchedCampaignChangesRequest"];
export type NewPrompt = Schemas["NewPromptRequest"];

export const EXPORT_FORMATS = ["oasst", "trl-messages", "trl-preference", "k-wise", "csv"] as const;

const at = (campaign_id: number) => ({ params: { path: { campaign_id } } });

export const ROWS_PER_PAGE = 50;

export const listCampaigns = (offset: number) =>
  bodyOf(api.GET("/api/campaigns", { params: { query: { offset, limit: ROWS_PER_PAGE } } }));

export const createCampaign = (body: NewCampaign) => bodyOf(api.POST("/api/campaigns", { body }));

export const changeCampaign = (id: number, body: CampaignChanges) =>
  bodyOf(api.PATCH("/api/campaigns/{campaign_id}", { ...at(id), body }));

export const writeGuidelines = (id: number, text: string) =>
  bodyOf(api.PUT("/api/campaigns/{campaign_id}/guidelines", { ...at(id), body: { text } }));

export const writeTerms = (id: number, text: string) =>
  bodyOf(api.PUT("/api/campaigns/{campaign_id}/terms", { ...at(id), body: { text } }));

export const listRemarks = (id: number, isSettled: boolean, offset: number) =>
  bodyOf(
    api.GET("/api/campaigns/{campaign_id}/remarks", {
      params: {
        path: { campaign_id: id },
        query: { is_settled: isSettled, offset, limit: REMARKS_PER_PAGE },
      },
    }),
  );
export const REMARKS_PER_PAGE = 50;

export const settleRemark = (remark_id: number, is_settled: boolean) =>
  bodyOf(api.PATCH("/api/remarks/{remark_id}", { params: { path: { remark_id } }, body: { is_settled } }));

export const readPolicies = (id: number) => bodyOf(api.GET("/api/campaigns/{campaign_id}/policies", at(id)));

export const choosePolicies = (id: number, body: Schemas["PolicyChoiceRequest"]) =>
  bodyOf(api.PUT("/api/campaigns/{campaign_id}/policies", { ...at(id), body }));

/** The sampling that goes on for a campaign. */
export const readSampling = async (id: number) => {
  const query = { kind: "sample" as const, limit: 50 };
  const { results } = await bodyOf(api.GET("/api/runs", { params: { query } }));
  return results.filter(
    ({ campaign, state }) => campaign === id && (state === "queued" || state === "running"),
  );
};

export const listMembers = (id: number, offset: number) =>
  bodyOf(
    api.GET("/api/campaigns/{campaign_id}/members", {
      params: { path: { campaign_id: id }, query: { offset, limit: ROWS_PER_PAGE } },
    }),
  );

export const addMember = (id: number, username: string) =>
  bodyOf(api.POST("/api/campaigns/{campaign_id}/members", { ...at(id), body: { username } }));

export const removeMember = (campaign_id: number, user_id: number) =>
  api.DELETE("/api/campaigns/{campaign_id}/members/{user_id}", {
    params: { path: { campaign_id, user_id } },
  });

export const readProgress = (id: number) => bodyOf(api.GET("/api/campaigns/{campaign_id}/progress", at(id)));

export const addPrompts = (id: number, body: NewPrompt[]) =>
  bodyOf(api.POST("/api/campaigns/{campaign_id}/prompts", { ...at(id), body }));

export const listImports = (id: number) => bodyOf(api.GET("/api/campaigns/{campaign_id}/imports", at(id)));

export const readImport = (import_id: number) =>
  bodyOf(api.GET("/api/imports/{import_id}", { params: { path: { import_id } } }));

export const listRefusals = (import_id: number, offset: number) =>
  bodyOf(
    api.GET("/api/imports/{import_id}/refusals", {
      params: { path: { import_id }, query: { offset, limit: 25 } },
    }),
  );

export const removeImport = (import_id: number) =>
  api.DELETE("/api/imports/{import_id}", { params: { path: { import_id } } });

export const listImportFormats = () => bodyOf(api.GET("/api/import-formats"));

export const exportAddress = (id: number, format: string) => `/api/campaigns/${id}/export?format=${format}`;

/** Sends a file and tells how much of it is on its way, which fetch cannot; large files take minutes. */
export function uploadFile(
  id: number,
  file: File,
  format: string,
  onProgress: (share: number) => void,
): Promise<Import> {
  const body = new FormData();
  body.append("format", format);
  body.append("file", file);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/campaigns/${id}/imports`);
    request.setRequestHeader("X-CSRFToken", cookie("csrftoken"));
    request.setRequestHeader("Accept-Language", document.documentElement.lang);
    request.responseType = "json";
    request.upload.onprogress = (event) => onProgress(event.total ? event.loaded / event.total : 0);
    request.onload = () =>
      request.status < 300
        ? resolve(request.response as Import)
        : reject(new Problem(request.status, request.response));
    request.onerror = () => reject(asProblem(null));
    request.send(body);
  });
}
