# SPDX-License-Identifier: Apache-2.0
# awk -v lemma=NAME: a Coq file without its other lemmas.
/^Lemma / { inside = 1; keep = ($2 == lemma || $2 == lemma ":") }
!inside || keep { print }
/Qed\.$/ { inside = 0 }
