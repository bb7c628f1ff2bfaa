# SPDX-License-Identifier: MIT
# `make model`: the Spin models and their mutants; T=name narrows it. Installs Spin where it is missing.
.PHONY: model
model: deps
	@models/run.sh $(T)
