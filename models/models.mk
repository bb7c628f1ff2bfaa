# SPDX-License-Identifier: MIT
# `make model`: the Spin models and their mutants; T=name narrows it.
.PHONY: model
model:
	@models/run.sh $(T)
