# SPDX-License-Identifier: Apache-2.0
# The steps of "make proof".  proof.am runs this in proof/work of the build tree:
#
#	SRC   the source tree           TOP       the build tree
#	ARCH  for which TOP is built    COMPILER  of TOP
#	COQ   the files of the proof
#
# amd64 is 64 here, and i386 is 32.  The library of the one is in TOP, that of the
# other is made here, where the compiler can.

DIR = $(SRC)/proof
# $(STEP) OUT "NAME" COMMAND...: its output into OUT, and a line about it
STEP = @sh '$(DIR)/step.sh'

own := $(if $(filter amd64,$(ARCH)),64,32)
other := $(if $(filter amd64,$(ARCH)),32,64)
arch_64 = amd64
arch_32 = i386
top_$(own) = $(TOP)
top_$(other) = other

# Without flags, but with what may start it, as ccache(1).
compiler := $(shell cc='$(COMPILER)'; echo "$${cc%% -*}")
cc_$(own) = $(COMPILER)
ifeq ($(own),64)
cc_32 = $(compiler) -m32 \
	$(addprefix -idirafter ,$(wildcard /usr/include/x86_64-linux-gnu))
else
cc_64 = $(compiler) -m64
endif
bits := $(own) $(shell echo 'int main(void) { return 0; }' | \
	$(cc_$(other)) -x c - -o probe >/dev/null 2>&1 && echo $(other))
left_out := $(filter-out $(bits),64 32)
files := $(if $(left_out),$(shell sh $(DIR)/without.sh Text$(left_out) $(DIR) $(COQ)),$(COQ))
# They wrap a function of the library, so they want the static one.
traced := $(if $(wildcard $(TOP)/lib/.libs/libaco.a),$(own)) $(filter $(other),$(bits))

# Not every system has these provers; 32 bits need no compiler.
framed := $(shell command -v frama-c >/dev/null && command -v why3 >/dev/null && \
	command -v cvc4 >/dev/null && echo 64 32)

# What is shown only where both architectures are there.
unproved := $(filter-out $(files),$(COQ))

# Changes of the sources, each of which has to be found.
mutants := $(bits:%=mutants-context-%.done) $(bits:%=mutants-inline-%.done) \
	$(traced:%=mutants-share-%.done)

# What takes long, or has others wait for it, comes first, so that no processor has
# nothing to do at the end.
.DELETE_ON_ERROR:
all: $(bits:%=mutants-context-%.done) $(files:.v=.vo) $(framed:%=frama-%.done) \
		$(mutants) mutants-$(own).done $(bits:%=registers-%.done) \
		$(bits:%=cpu-%.done) $(traced:%=trace-%.done) \
		$(bits:%=Sites%.vo) $(bits:%=occurs-%.done) theorems.done
	@sed '$$d' theorems.done
	@echo "proof: $(words $^) steps passed, for $(foreach b,$(bits),$(arch_$b))"
	@$(foreach b,$(left_out),echo "proof: without $(arch_$b): $(cc_$b) makes no programs";)
	@$(if $(unproved),echo "proof: so NOT checked: $(unproved)")
	@$(foreach b,$(filter-out $(traced),$(bits)),echo "proof: NOT checked: the random \
		operations of $(arch_$b), for want of its libaco.a";)
	@$(if $(framed),,echo "proof: NOT checked: sizes and bounds, for want of frama-c, \
		why3 and cvc4";)

# -------------------------------------------------------------------- the bytes --

sources := $(wildcard $(SRC)/lib/*.[ch] $(SRC)/lib/arch/*.h $(SRC)/lib/arch/*/*.[hS] \
	$(SRC)/include/aco.h $(SRC)/include/aco/*.h $(SRC)/include/aco/arch/*.h)
other/config.status: $(SRC)/configure
	$(STEP) configure.out "$(arch_$(other)): configure" \
		sh $(DIR)/other.sh '$(SRC)' other $(arch_$(other)) '$(cc_$(other))'
other/lib/libaco.la: other/config.status $(sources)
	$(STEP) library.out "$(arch_$(other)): library" \
		$(MAKE) -s -C other CC='$(cc_$(other))' lib/libaco.la
	@touch $@

# objects BITS: of the shared library, if there is one; the other's have the same text
objects = $(foreach o,context entry,$(firstword $(wildcard \
	$(addprefix $(top_$1)/lib/arch/$(arch_$1)/,.libs/*-$o.o *-$o.o))))
library_64 = $(top_64)/lib/libaco.la
library_32 = $(top_32)/lib/libaco.la
.SECONDEXPANSION:
occurs-%.done: $(DIR)/occurs.py $$(library_$$*)
	$(STEP) $@ "$(arch_$*): text" python3 $< $(top_$*)/lib/.libs $(call objects,$*)
Text%.v: $(DIR)/text.sh $(DIR)/gen.sh $$(library_$$*)
	$(STEP) $@ "$(arch_$*): text for Coq" sh $< $* $(call objects,$*)

sites-%.done: $(wildcard $(DIR)/sites/*) $(sources)
	$(STEP) $@ "$(arch_$*): inline switches" \
		env CC='$(cc_$*)' sh $(DIR)/sites/sites.sh $* sites-$*
Sites%.v sites%.bin: sites-%.done ;

# All registers but those that the inline switch keeps are ones that it names.
registers-%.done: $(SRC)/tests/inline/registers.sh $(SRC)/tests/inline/common.sh \
		$(SRC)/tests/common.sh $(sources)
	$(STEP) $@ "$(arch_$*): registers" env top_srcdir='$(SRC)' \
		top_builddir=$(top_$*) CC='$(cc_$*)' sh $<

# -------------------------------------------------------------------- the proof --

$(files): %.v: $(DIR)/%.v
	@cp $< $@
%.vo: %.v
	$(STEP) $*.out $*.v coqc -q -R . Aco $<
texts := $(bits:%=Text%.v) $(bits:%=Sites%.v)
depends: $(files) $(texts)
	@coqdep -R . Aco $^ >$@
-include depends

theorems.done: $(DIR)/theorems.sh $(DIR)/theorems.txt $(files:.v=.vo)
	$(STEP) $@ theorems env LEFT_OUT='$(unproved)' sh $< $(DIR)/theorems.txt $(files)

# ---------------------------------------------------------------- the processor --

cpu/compare: $(addprefix $(DIR)/cpu/,build.sh Extract.v compare.ml) X86.vo
	@mkdir -p cpu
	$(STEP) cpu/build.out "the model as a program" sh $< cpu
cpu/step-%: $(DIR)/cpu/step.c
	@mkdir -p cpu
	$(STEP) $@.out "$(arch_$*): single steps" $(cc_$*) -O2 -o $@ $<
instructions-%: $(DIR)/cpu/instructions.sh $$(library_$$*) sites%.bin
	@sh $< $* $(call objects,$*) sites$*.bin >$@
cpu-%.done: cpu/compare cpu/step-% instructions-%
	$(STEP) $@ "$(arch_$*): the processor" \
		sh -c 'cpu/compare $* 500 1 cpu/step-$* <instructions-$*'
mutants-%.done: $(DIR)/cpu/mutants.sh cpu/compare cpu/step-% instructions-%
	$(STEP) $@ "$(arch_$*): wrong models" sh $< $* cpu/step-$* instructions-$*

# --------------------------------------------------------------------- mutants --

mutant = $(STEP) $@ "$(arch_$*): changes of $(1)" sh $< $* '$(SRC)' \
	$(abspath $(top_$*))/lib/.libs $(cc_$*)
mutants_sources := $(wildcard $(DIR)/mutants/*)
mutants-context-%.done: $(DIR)/mutants/context.sh $(mutants_sources) Switch%.vo InPlace%.vo
	$(call mutant,context.S and entry.S)
mutants-inline-%.done: $(DIR)/mutants/inline.sh $(mutants_sources) Site.vo
	$(call mutant,the inline switch)
mutants-share-%.done: $(DIR)/trace/mutate.sh $(wildcard $(DIR)/trace/*) Share.vo $$(library_$$*)
	$(STEP) $@ "$(arch_$*): changes of the copies" env PROOF="$$(pwd)" \
		sh $< $(abspath $(top_$*))/lib/.libs '$(SRC)' $(arch_$*) $(cc_$*)

# ----------------------------------------------------------------- share stacks --

trace-%.done: $(DIR)/trace/run.sh $(wildcard $(DIR)/trace/*) Share.vo $$(library_$$*)
	$(STEP) $@ "$(arch_$*): random operations" env PROOF="$$(pwd)" \
		sh $< $(abspath $(top_$*))/lib/.libs '$(SRC)/include' $(cc_$*)

# ------------------------------------------------------------ sizes and bounds --

frama-%.done: $(DIR)/frama/run.sh $(wildcard $(DIR)/frama/* $(DIR)/frama/include/*) $(sources)
	$(STEP) $@ "$(arch_$*): sizes and bounds" sh $< $(arch_$*)
