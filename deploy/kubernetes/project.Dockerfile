# syntax=docker/dockerfile:1
# Your rules and templates, in Declic's image: one thing to review, to roll out and to roll back.
#
#   docker build --file deploy/kubernetes/project.Dockerfile --tag registry.example.com/declic-project:1 FOLDER
#
# FOLDER holds `rules/`, with a test at least, and `templates/`.
ARG DECLIC=declic:0.1.0
FROM ${DECLIC}
USER 65532:65532
COPY rules /etc/declic/rules
COPY templates /etc/declic/templates
# No image of rules that have errors, or that do not do what their tests say.
RUN ["declic", "test"]
