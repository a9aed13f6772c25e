#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# text.sh BITS OBJECTS...: Text64.v or Text32.v of the objects of context.S and entry.S
set -eu
here=$(dirname "$0")
bits=$1 context=$2 entry=$3
echo "(* Made from the objects by text.sh. *)"
echo "Require Import ZArith List X86. Import ListNotations. Open Scope Z_scope."
"$here/gen.sh" "C$bits" "$context"
"$here/gen.sh" "E$bits" "$entry"
