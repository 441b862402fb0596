// A mannequin with long hair, some of it flying.
#include "room.inc"
View(<0.3, 1.3, -4.4>, <0, 0.95, 0>, 27, 0.1)
#declare S = seed(17);
#macro Strand(Root, Side, Long, Wild)
  #local Out = vnormalize(Root - <0, 1.3, 0>);
  #local Fly = Wild * <rand(S) - 0.5, 0.6 * rand(S) - 0.2, rand(S) - 0.5>;
  #local P1 = Root + 0.07 * Out + Fly * 0.1;
  #local P2 = <P1.x * 1.25, P1.y - 0.3 * Long, P1.z * 1.2 + 0.03> + Fly * 0.5;
  #local P3 = <P2.x * 1.08 + Side * 0.05, P2.y - 0.42 * Long, P2.z> + Fly;
  #local Curve = spline { cubic_spline -1, Root - 0.05 * Out  0, Root  1, P1  2, P2  3, P3  4, P3 - y * 0.1 }
  union {
    #local I = 0;
    #while (I < 10)
      cone { Curve(I * 0.3), 0.0045 - I * 0.0003, Curve(min(2.999, I * 0.3 + 0.3)), 0.0042 - I * 0.0003 }
      #local I = I + 1;
    #end
    #if (!Mask) pigment { rgb <0.32, 0.17, 0.07> * (0.5 + 0.9 * rand(S)) } finish { diffuse 0.6 specular 0.35 roughness 0.04 } #end
  }
#end
#declare Mannequin = union {
  sphere { 0, 1 scale <0.27, 0.36, 0.3> translate y * 1.3 }
  sphere { 0, 1 scale <0.2, 0.16, 0.16> translate <0, 1.08, -0.08> }
  cone { <0, 0.6, 0.03>, 0.15, <0, 1.15, 0.03>, 0.12 }
  sphere { 0, 1 scale <0.045, 0.1, 0.07> translate <0, 1.25, -0.3> }
  blob { threshold 0.5
    sphere { <0, 0.3, 0.05>, 0.62, 1.4 } sphere { <-0.4, 0.38, 0.05>, 0.38, 1 } sphere { <0.4, 0.38, 0.05>, 0.38, 1 }
    cylinder { <0, -0.1, 0.05>, <0, 0.3, 0.05>, 0.5, 1 }
  }
  #if (!Mask) pigment { rgb <0.8, 0.62, 0.5> } finish { diffuse 0.75 specular 0.2 roughness 0.04 } #end
}
#declare Hair = union {
  #declare N = 0;
  #while (N < 2600)
    #local A = 2 * pi * rand(S);
    #local C = 0.05 + 0.93 * rand(S);
    #local Q = sqrt(1 - C * C);
    #if (!(sin(A) < -0.55 & C < 0.72))
      Strand(<0.275 * Q * cos(A), 1.3 + 0.365 * C, 0.305 * Q * sin(A)>, cos(A), 0.8 + 0.5 * rand(S), (rand(S) < 0.12 ? 0.75 : 0.16))
    #end
    #declare N = N + 1;
  #end
}
Subject(union { object { Mannequin clipped_by { plane { -y, 0 } } } object { Hair } })
#if (!Mask) Room(41) #end
