# By words where both addresses are multiples of 8, by bytes elsewhere and at the end.

.section .text.builtins, "ax", @progbits
.option arch, +m
.global memcpy, memmove, memset, memcmp, bcmp

memmove:
    sub t0, a0, a1
    bltu t0, a2, 5f                     # the destination begins within the source: from the end
memcpy:
    mv t0, a0
    add t2, a0, a2
    or t1, a0, a1
    andi t1, t1, 7
    bnez t1, 3f
    andi t3, a2, -8
    add t3, t3, a0
1:  beq t0, t3, 3f
    ld t1, 0(a1)
    sd t1, 0(t0)
    addi a1, a1, 8
    addi t0, t0, 8
    j 1b
2:  lb t1, 0(a1)
    sb t1, 0(t0)
    addi a1, a1, 1
    addi t0, t0, 1
3:  bne t0, t2, 2b
    ret
4:  addi a1, a1, -1
    addi t0, t0, -1
    lb t1, 0(a1)
    sb t1, 0(t0)
    bne t0, a0, 4b
    ret
5:  add a1, a1, a2                      # at least one byte
    add t0, a0, a2
    j 4b

memset:
    mv t0, a0
    add t2, a0, a2
    andi a1, a1, 255
    andi t1, a0, 7
    bnez t1, 3f
    li t1, 0x0101010101010101
    mul a1, a1, t1                      # in each byte of a word
    andi t3, a2, -8
    add t3, t3, a0
1:  beq t0, t3, 3f
    sd a1, 0(t0)
    addi t0, t0, 8
    j 1b
2:  sb a1, 0(t0)
    addi t0, t0, 1
3:  bne t0, t2, 2b
    ret

bcmp:
memcmp:
    add t2, a0, a2
1:  beq a0, t2, 2f
    lbu t0, 0(a0)
    lbu t1, 0(a1)
    addi a0, a0, 1
    addi a1, a1, 1
    beq t0, t1, 1b
    sub a0, t0, t1
    ret
2:  li a0, 0
    ret
