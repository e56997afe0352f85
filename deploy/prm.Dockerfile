# vLLM with our plug-in, by which a PRM judges the last token and reads its prefix cache:
#   docker build -f deploy/prm.Dockerfile -t rsd-prm .
FROM vllm/vllm-openai:v0.32.0
COPY vllm_plugin /opt/vllm_plugin
RUN pip install --no-cache-dir /opt/vllm_plugin
