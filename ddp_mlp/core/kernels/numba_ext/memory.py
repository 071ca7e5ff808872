"""Memory for arrays that kernels make, in LLVM's language: Numba's own functions for it are found by Numba alone."""

from __future__ import annotations

#: Numba's record of an array's memory: how many own it, a function to call in the end and what it takes, where the
#: data is, its size, and whose memory it is; the data follows.
MEMORY = """
declare ptr @malloc(i64)
declare void @free(ptr)

define linkonce_odr ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %alignment) noinline {
  %wide = zext i32 %alignment to i64
  %record = add i64 %wide, 48
  %all = add i64 %record, %size
  %memory = call ptr @malloc(i64 %all)
  %failed = icmp eq ptr %memory, null
  br i1 %failed, label %done, label %filled
filled:
  store i64 1, ptr %memory
  %last = getelementptr i8, ptr %memory, i64 %record
  %address = ptrtoint ptr %last to i64
  %behind = urem i64 %address, %wide
  %back = sub i64 0, %behind
  %data = getelementptr i8, ptr %last, i64 %back
  %rest = getelementptr i8, ptr %memory, i64 8
  call void @llvm.memset.p0.i64(ptr %rest, i8 0, i64 40, i1 false)
  %data_at = getelementptr i8, ptr %memory, i64 24
  store ptr %data, ptr %data_at
  %size_at = getelementptr i8, ptr %memory, i64 32
  store i64 %size, ptr %size_at
  br label %done
done:
  ret ptr %memory
}

define linkonce_odr void @NRT_MemInfo_call_dtor(ptr %memory) noinline {
  call void @free(ptr %memory)
  ret void
}

declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""
