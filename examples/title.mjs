// A title, asked for without any client: mockserver run -- node examples/title.mjs
const { LLAMA_CLOUD_BASE_URL: base, LLAMA_CLOUD_API_KEY: key } = process.env;
const response = await fetch(`${base}/api/v1/chat/ses-abc123/title`, {
  method: 'POST',
  headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  body: JSON.stringify({ first_message: 'What were the main findings in Q3?' }),
});
if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
console.log((await response.json()).generated_title);
